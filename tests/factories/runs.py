"""A run as an ingestion tool posts it: one entry per script, states, execs, issues, a log."""

from itertools import pairwise
from typing import Any
from uuid import uuid4

import httpx

NATURE = "transform-csv"


async def post(client: httpx.AsyncClient, path: str, body: Any, status: int = 201) -> Any:
    response = await client.post(path, json=body)
    assert response.status_code == status, response.text
    return response.json()


async def make_device(client: httpx.AsyncClient, **fields: Any) -> str:
    body = {"name": f"device-{uuid4().hex[:8]}", **fields}
    return str((await post(client, "/api/devices", body))["device_id"])


async def make_run(client: httpx.AsyncClient, **fields: Any) -> str:
    """On a device of its own unless one is given."""
    if "device_id" not in fields:
        fields["device_id"] = await make_device(client)
    body = {"orchestration_nature_id": NATURE, "version": "1.0", **fields}
    return str((await post(client, "/api/runs", body))["orchestration_session_id"])


def chain(*states: str, entry: str | None = None) -> list[dict[str, Any]]:
    """Transitions through the states in turn."""
    return [
        {"from_state": before, "to_state": after, "session_entry_id": entry}
        for before, after in pairwise(states)
    ]


async def record_flow(client: httpx.AsyncClient, device_id: str) -> str:
    """The documented flow: two scripts, three execs of which the last fails, two issues."""
    run_id = await make_run(
        client,
        device_id=device_id,
        orchestration_session_id=f"run-{uuid4().hex[:8]}",
        orch_started_at="2026-11-21T10:00:00Z",
        args_json={"files": 2},
    )
    path = f"/api/runs/{run_id}"
    entries = await post(
        client,
        f"{path}/entries",
        [{"ingest_src": "people.csv", "ingest_table_name": "people"}, {"ingest_src": "pets.csv"}],
    )
    people, pets = (row["orchestration_session_entry_id"] for row in entries["data"])
    flow = ("INITIAL", "init", "progress")
    await post(
        client,
        f"{path}/states",
        [*chain(*flow), *chain(*flow, "completed", entry=people), *chain(*flow, entry=pets)],
    )
    root, load = f"{run_id}-root", f"{run_id}-load"
    await post(
        client,
        f"{path}/execs",
        [
            {
                "orchestration_session_exec_id": root,
                "exec_nature": "shell",
                "exec_code": "ingest *.csv",
                "exec_status": 0,
                "exec_identity": "ingest",
                "narrative_md": "Both files in *one* go.",
            },
            {
                "orchestration_session_exec_id": load,
                "exec_nature": "SQL",
                "exec_code": "INSERT INTO people SELECT * FROM csv",
                "exec_status": 0,
                "parent_exec_id": root,
                "session_entry_id": people,
                "output_text": "INSERT 0 12",
            },
            {
                "exec_nature": "SQL",
                "exec_code": "INSERT INTO pets SELECT * FROM csv",
                "exec_status": 3,
                "parent_exec_id": root,
                "session_entry_id": pets,
                "exec_error_text": "row 7: `age` is not a number",
            },
        ],
    )
    issues = await post(
        client,
        f"{path}/issues",
        [
            {
                "issue_type": "not a number",
                "issue_message": "age must be a number",
                "session_entry_id": pets,
                "issue_row": 7,
                "issue_column": "age",
                "invalid_value": "four|five",
                "remediation": "Write 4.5",
            },
            {"issue_type": "skipped", "issue_message": "pets.csv was left out"},
        ],
    )
    prime, related = (row["orchestration_session_issue_id"] for row in issues["data"])
    await post(
        client,
        f"{path}/issue-relations",
        {"issue_id_prime": prime, "issue_id_rel": related, "relationship_nature": "causes"},
    )
    first = await post(
        client, f"{path}/logs", {"exec_id": load, "category": "info", "content": "12 rows"}
    )
    await post(
        client,
        f"{path}/logs",
        [
            {
                "exec_id": load,
                "content": "done",
                "parent_log_id": first["orchestration_session_log_id"],
                "sibling_order": 1,
            }
        ],
    )
    await post(client, f"{path}/states", chain("progress", "completed"))
    finish = {
        "orch_finished_at": "2026-11-21T10:01:30Z",
        "diagnostics_md": "Went **mostly** well.",
        "diagnostics_json": {"rows": 12},
    }
    await post(client, f"{path}/finish", finish, 200)
    return run_id


async def record_failure(client: httpx.AsyncClient, device_id: str) -> str:
    """A second run, which fails at once."""
    run_id = await make_run(client, device_id=device_id, orch_started_at="2026-11-21T11:00:00Z")
    path = f"/api/runs/{run_id}"
    await post(client, f"{path}/states", chain("INITIAL", "init", "failed"))
    execution = {"exec_nature": "shell", "exec_code": "ingest", "exec_status": 127}
    await post(client, f"{path}/execs", execution)
    issue = {"issue_type": "not a number", "issue_message": "again", "remediation": "Ask Ann"}
    await post(client, f"{path}/issues", issue)
    await post(client, f"{path}/finish", {"orch_finished_at": "2026-11-21T11:00:10Z"}, 200)
    return run_id
