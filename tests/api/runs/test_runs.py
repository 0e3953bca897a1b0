"""The rules of runs: chains, references, ids, batches, and the end."""

import asyncio
from typing import Any

import pytest

from tests.factories import World
from tests.factories.runs import chain, make_device, make_run, post

EXEC = {"exec_nature": "shell", "exec_code": "true", "exec_status": 0}
ISSUE = {"issue_type": "t", "issue_message": "m"}
ROWS: dict[str, Any] = {
    "entries": {"ingest_src": "a.csv"},
    "states": {"from_state": "INITIAL", "to_state": "init"},
    "execs": EXEC,
    "issues": ISSUE,
    "issue-relations": {"issue_id_prime": "a", "issue_id_rel": "b", "relationship_nature": "n"},
    "logs": {"exec_id": "e", "content": "c"},
}


async def test_a_new_account_knows_the_natures(world: World) -> None:
    page = (await world.client().get("/api/natures")).json()
    assert [row["orchestration_nature_id"] for row in page["data"]] == [
        "deidentification",
        "transform-csv",
        "transform-html",
        "transform-xml",
        "v&v",
    ]
    nature = (await world.client().get("/api/natures/v&v")).json()
    assert nature["nature"] == "Verification and Validation"


async def test_devices(world: World) -> None:
    client = world.client()
    device = await post(client, "/api/devices", {"name": "press"})
    assert (device["state"], device["boundary"]) == ("SINGLETON", "UNKNOWN")
    same = await client.post("/api/devices", json={"name": "press"})
    assert (same.status_code, same.json()["code"]) == (409, "device_exists")
    nothing = {"name": "press", "state": None, "boundary": None}
    await post(client, "/api/devices", nothing)
    assert (await client.post("/api/devices", json=nothing)).json()["code"] == "device_exists"
    path = f"/api/devices/{device['device_id']}"
    changed = await client.patch(path, json={"state": {"ready": True}, "elaboration": None})
    assert changed.json()["state"] == {"ready": True}
    long = await client.patch(path, json={"state": "x" * 2500})
    assert [e["path"] for e in long.json()["errors"]] == ["state"]
    taken = await client.post("/api/devices", json={"name": "b", "device_id": device["device_id"]})
    assert taken.json()["code"] == "id_taken"


async def test_a_device_or_nature_in_use_is_not_deleted(world: World) -> None:
    client = world.client()
    device = await make_device(client, device_id="a b%c")
    await post(client, "/api/natures", {"orchestration_nature_id": "mine", "nature": "Mine"})
    run = await make_run(client, device_id=device, orchestration_nature_id="mine")
    paths = {"/api/devices/a%20b%25c": "device_in_use", "/api/natures/mine": "nature_in_use"}
    for path, code in paths.items():
        response = await client.delete(path)
        assert (response.status_code, response.json()["code"]) == (409, code)
    assert (await client.delete(f"/api/runs/{run}")).status_code == 204
    for path in paths:
        assert (await client.delete(path)).status_code == 204


@pytest.mark.parametrize("run_id", ["a/b", "..", "reports", "", "x" * 201, "a\nb"])
async def test_an_id_must_fit_into_a_path(world: World, run_id: str) -> None:
    body = {"device_id": "d", "orchestration_nature_id": "n", "version": "1"}
    response = await world.client().post(
        "/api/runs", json={**body, "orchestration_session_id": run_id}
    )
    assert [e["path"] for e in response.json()["errors"]] == ["orchestration_session_id"]


async def test_a_run_needs_a_device_and_a_nature(world: World) -> None:
    client = world.client()
    response = await client.post("/api/runs", json={})
    assert {e["path"] for e in response.json()["errors"]} == {
        "device_id",
        "orchestration_nature_id",
        "version",
    }
    body = {"device_id": "no", "orchestration_nature_id": "v&v", "version": "1"}
    response = await client.post("/api/runs", json=body)
    assert [e["path"] for e in response.json()["errors"]] == ["device_id"]
    body = {**body, "device_id": await make_device(client), "orchestration_nature_id": "no"}
    response = await client.post("/api/runs", json=body)
    assert [e["path"] for e in response.json()["errors"]] == ["orchestration_nature_id"]


async def test_runs_are_listed_with_counts(world: World) -> None:
    client = world.client()
    first = await make_run(client, orch_started_at="2026-01-01T00:00:00Z")
    second = await make_run(client, orchestration_nature_id="v&v")
    await post(client, f"/api/runs/{first}/execs", [EXEC, {**EXEC, "exec_status": 1}])
    await post(client, f"/api/runs/{first}/states", chain("INITIAL", "init"))
    await post(client, f"/api/runs/{first}/finish", None, 200)
    rows = (await client.get("/api/runs")).json()["data"]
    assert [row["orchestration_session_id"] for row in rows] == [second, first]
    counts = ("entry_count", "exec_count", "failed_exec_count", "issue_count", "last_state")
    assert [rows[1][name] for name in counts] == [0, 2, 1, 0, "init"]
    for parameters, expected in (
        ({"device": rows[0]["device_id"]}, [second]),
        ({"nature": "v&v"}, [second]),
        ({"finished": "true"}, [first]),
        ({"finished": "false"}, [second]),
        ({"started_after": "2026-06-01T00:00:00Z"}, [second]),
    ):
        found = (await client.get("/api/runs", params=parameters)).json()["data"]
        assert [row["orchestration_session_id"] for row in found] == expected


async def test_nothing_is_written_after_the_end(world: World) -> None:
    client = world.client()
    run = await make_run(client, orch_started_at="2026-01-01T00:00:00Z")
    path = f"/api/runs/{run}"
    await client.patch(path, json={"diagnostics_md": "half way"})
    early = await client.post(f"{path}/finish", json={"orch_finished_at": "2025-01-01T00:00:00Z"})
    assert [e["path"] for e in early.json()["errors"]] == ["orch_finished_at"]
    done = await post(client, f"{path}/finish", {"diagnostics_json": [1]}, 200)
    assert (done["diagnostics_md"], done["diagnostics_json"]) == ("half way", [1])
    calls = [("POST", f"{path}/{kind}", row) for kind, row in ROWS.items()]
    calls += [("POST", f"{path}/finish", {}), ("PATCH", path, {"diagnostics_md": "late"})]
    for method, url, body in calls:
        response = await client.request(method, url, json=body)
        assert (response.status_code, response.json()["code"]) == (409, "run_finished"), url
    assert (await client.get(path)).json() == done


async def test_only_one_of_two_concurrent_finishes_succeeds(world: World) -> None:
    client = world.client()
    run = await make_run(client)
    answers = await asyncio.gather(
        *(client.post(f"/api/runs/{run}/finish", json={}) for _ in range(4))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]


async def test_states_are_a_chain(world: World) -> None:
    client = world.client()
    run = await make_run(client)
    path = f"/api/runs/{run}/states"
    entry = await post(client, f"/api/runs/{run}/entries", {"ingest_src": "a.csv"})
    wrong = await client.post(path, json=chain("init", "progress")[0])
    assert (wrong.status_code, wrong.json()["code"]) == (409, "state_chain")
    assert wrong.json()["expected"] == "INITIAL"
    await post(client, path, chain("INITIAL", "init"))
    # An entry has a chain of its own.
    of_entry = entry["orchestration_session_entry_id"]
    await post(client, path, chain("INITIAL", "a", "b", entry=of_entry))
    broken = await client.post(path, json=[*chain("init", "progress"), *chain("init", "end")])
    assert (broken.json()["path"], broken.json()["expected"]) == ("1.from_state", "progress")
    rows = (await client.get(path)).json()["data"]
    assert [row["to_state"] for row in rows] == ["init", "a", "b"]
    answers = await asyncio.gather(
        *(client.post(path, json=chain("init", "progress")) for _ in range(5))
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409]


@pytest.mark.parametrize(
    ("kind", "bad", "field"),
    [
        ("entries", {}, "ingest_src"),
        ("states", {"from_state": "INITIAL"}, "to_state"),
        ("execs", {**EXEC, "exec_status": "0"}, "exec_status"),
        ("execs", {**EXEC, "exec_status": 2**31}, "exec_status"),
        ("execs", {**EXEC, "session_entry_id": "no"}, "session_entry_id"),
        ("execs", {**EXEC, "parent_exec_id": "no"}, "parent_exec_id"),
        ("execs", {**EXEC, "speed": 1}, "speed"),
        ("issues", {"issue_type": "t"}, "issue_message"),
        ("issues", {**ISSUE, "session_entry_id": "no"}, "session_entry_id"),
    ],
)
async def test_one_bad_row_rejects_the_batch(
    world: World, kind: str, bad: dict[str, Any], field: str
) -> None:
    client = world.client()
    path = f"/api/runs/{await make_run(client)}/{kind}"
    response = await client.post(path, json=[ROWS[kind], bad, ROWS[kind]])
    assert response.status_code == 422
    assert [e["path"] for e in response.json()["errors"]] == [f"1.{field}"]
    assert (await client.get(path)).json()["data"] == []
    single = await client.post(path, json=bad)
    assert [e["path"] for e in single.json()["errors"]] == [field]


async def test_references_stay_in_the_run(world: World) -> None:
    client = world.client()
    run, other = await make_run(client), await make_run(client)
    theirs: dict[str, str] = {}
    for kind, name in (("entries", "entry"), ("execs", "exec"), ("issues", "issue")):
        row = await post(client, f"/api/runs/{other}/{kind}", ROWS[kind])
        theirs[name] = row[f"orchestration_session_{name}_id"]
    mine = await post(client, f"/api/runs/{run}/issues", ISSUE)
    issue = mine["orchestration_session_issue_id"]
    for kind, fields, field in (
        ("states", {"session_entry_id": theirs["entry"]}, "session_entry_id"),
        ("execs", {"parent_exec_id": theirs["exec"]}, "parent_exec_id"),
        ("logs", {"exec_id": theirs["exec"]}, "exec_id"),
        (
            "issue-relations",
            {"issue_id_prime": issue, "issue_id_rel": theirs["issue"]},
            "issue_id_rel",
        ),
        ("issue-relations", {"issue_id_prime": issue, "issue_id_rel": issue}, "issue_id_rel"),
    ):
        response = await client.post(f"/api/runs/{run}/{kind}", json={**ROWS[kind], **fields})
        assert response.status_code == 422
        assert [e["path"] for e in response.json()["errors"]] == [field]


async def test_an_id_is_taken_once(world: World) -> None:
    client = world.client()
    run = await make_run(client, orchestration_session_id="nightly")
    device = await make_device(client)
    body = {"device_id": device, "orchestration_nature_id": "v&v", "version": "1"}
    again = await client.post("/api/runs", json={**body, "orchestration_session_id": "nightly"})
    assert (again.status_code, again.json()["code"]) == (409, "id_taken")
    path = f"/api/runs/{run}/entries"
    row = {"ingest_src": "a", "orchestration_session_entry_id": "one"}
    await post(client, path, row)
    again = await client.post(path, json=[{"ingest_src": "b"}, row])
    assert (again.status_code, again.json()["code"]) == (409, "id_taken")
    assert again.json()["path"] == "1.orchestration_session_entry_id"
    twice = await client.post(path, json=[{**row, "orchestration_session_entry_id": "2"}] * 2)
    assert [e["path"] for e in twice.json()["errors"]] == ["1.orchestration_session_entry_id"]


async def test_an_id_in_another_project(world: World) -> None:
    client = world.client()
    await make_device(client, device_id="shared")
    run = await make_run(client, orchestration_session_id="nightly")
    row = {"ingest_src": "a", "orchestration_session_entry_id": "one"}
    await post(client, f"/api/runs/{run}/entries", row)
    other = await post(client, "/api/projects", {"name": "Other", "slug": "other"})
    strict = world.client(**{"X-Project": str(other["id"])})
    mine = await make_run(strict)
    device = await make_device(strict)
    run_body = {"device_id": device, "orchestration_nature_id": "v&v", "version": "1"}
    for path, body in (
        ("/api/devices", {"name": "mine", "device_id": "shared"}),
        ("/api/runs", {**run_body, "orchestration_session_id": "nightly"}),
        (f"/api/runs/{mine}/entries", row),
    ):
        response = await strict.post(path, json=body)
        assert (response.status_code, response.json()["code"]) == (409, "key_in_other_project")
    response = await strict.post("/api/runs", json={**run_body, "device_id": "shared"})
    assert [e["path"] for e in response.json()["errors"]] == ["device_id"]
    assert (await strict.get(f"/api/runs/{run}")).status_code == 404
    assert (await strict.get(f"/api/runs/{run}/entries")).status_code == 404


async def test_a_thousand_rows_at_once(world: World) -> None:
    client = world.client()
    path = f"/api/runs/{await make_run(client)}/entries"
    rows = [{"ingest_src": f"{number}.csv"} for number in range(1000)]
    answer = await post(client, path, rows)
    assert [row["ingest_src"] for row in answer["data"]] == [row["ingest_src"] for row in rows]
    page = (await client.get(path, params={"limit": 100})).json()
    assert [row["ingest_src"] for row in page["data"]] == [r["ingest_src"] for r in rows[:100]]
    response = await client.post(path, json=[*rows, rows[0]])
    assert response.status_code == 422


async def test_secrets_and_nul_do_not_reach_the_table(world: World) -> None:
    client = world.client()
    path = f"/api/runs/{await make_run(client)}/execs"
    secret = "ghp_" + "a1B2" * 9
    body = {**EXEC, "output_text": f"token {secret}\0!", "elaboration": {"password": "hunter22"}}
    stored = await post(client, path, body)
    assert secret not in stored["output_text"]
    assert stored["output_text"].endswith("\ufffd!")
    assert stored["elaboration"]["password"] != "hunter22"
    long = await post(client, path, {**EXEC, "output_text": "x" * 300_000})
    assert "bytes truncated" in long["output_text"]
    refused = await client.post(path.replace("execs", "entries"), json={"ingest_src": "a\0b"})
    assert refused.status_code == 422


async def test_moving_and_deleting_a_project(world: World) -> None:
    client = world.client()
    device = await make_device(client)
    run = await make_run(client, device_id=device)
    other = await post(client, "/api/projects", {"name": "Other", "slug": "other"})
    for path in (f"/api/devices/{device}", f"/api/runs/{run}"):
        moved = await post(client, f"{path}/move", {"project_id": other["id"]}, 200)
        assert moved["project_id"] == other["id"]
        lost = await client.post(f"{path}/move", json={"project_id": 2**40})
        assert [e["path"] for e in lost.json()["errors"]] == ["project_id"]
    assert (await client.delete(f"/api/projects/{other['id']}")).status_code == 204
    for path in (f"/api/devices/{device}", f"/api/runs/{run}"):
        assert (await client.get(path)).json()["project_id"] is None
