"""Every report about two complete runs, compared with tables made by hand."""

from typing import Any

import httpx
import pytest

from app.schemas.reports import REPORTS
from tests.factories import World
from tests.factories.runs import NATURE, make_device, make_run, post, record_failure, record_flow

EXPECTED_MARKDOWN = """\
# Run {run_id}

- **Device**: press (`press-1`)
- **Nature**: Transform CSV (`transform-csv`)
- **Version**: 1.0
- **Started**: 2026-11-21 10:00:00 UTC
- **Finished**: 2026-11-21 10:01:30 UTC, after 90.0 s

## States

| at | of | from | to | reason |
| --- | --- | --- | --- | --- |
| … | the run | INITIAL | init |  |
| … | the run | init | progress |  |
| … | people.csv | INITIAL | init |  |
| … | people.csv | init | progress |  |
| … | people.csv | progress | completed |  |
| … | pets.csv | INITIAL | init |  |
| … | pets.csv | init | progress |  |
| … | the run | progress | completed |  |

## Executions

3 executed, 1 failed.

- ✓ ingest: `ingest *.csv`

  Both files in *one* go.

  - ✓ SQL: `INSERT INTO people SELECT * FROM csv`, people.csv

    output:

    ```text
    INSERT 0 12
    ```

  - ✗ **status 3** SQL: `INSERT INTO pets SELECT * FROM csv`, pets.csv

    error:

    ```text
    row 7: `age` is not a number
    ```

## Issues

| type | message | where | value | remediation |
| --- | --- | --- | --- | --- |
| not a number | age must be a number | pets.csv, row 7, column age | four\\|five | Write 4.5 |
| skipped | pets.csv was left out |  |  |  |

## Diagnostics

Went **mostly** well.

```json
{{
  "rows": 12
}}
```
"""


@pytest.fixture
async def recorded(world: World) -> tuple[httpx.AsyncClient, str, str]:
    client = world.client()
    device = await make_device(client, device_id="press-1", name="press")
    return client, await record_flow(client, device), await record_failure(client, device)


async def report(client: httpx.AsyncClient, name: str, **parameters: Any) -> Any:
    response = await client.get(f"/api/runs/reports/{name}", params=parameters)
    assert response.status_code == 200, response.text
    return response.json()["data"]


async def test_reports(recorded: tuple[httpx.AsyncClient, str, str]) -> None:
    client, good, bad = recorded
    assert await report(client, "by-device") == [
        {"device_id": "press-1", "name": "press", "session_count": 2}
    ]
    common = {"device_id": "press-1", "orchestration_nature_id": NATURE}
    assert await report(client, "duration") == [
        {
            "orchestration_session_id": good,
            **common,
            "orch_started_at": "2026-11-21T10:00:00Z",
            "orch_finished_at": "2026-11-21T10:01:30Z",
            "duration_seconds": 90.0,
        },
        {
            "orchestration_session_id": bad,
            **common,
            "orch_started_at": "2026-11-21T11:00:00Z",
            "orch_finished_at": "2026-11-21T11:00:10Z",
            "duration_seconds": 10.0,
        },
    ]
    assert await report(client, "success-rate") == [
        {
            "orchestration_nature_id": NATURE,
            "nature": "Transform CSV",
            "session_count": 2,
            "completed": 1,
            "failed": 1,
            "success_rate": 0.5,
        }
    ]
    scripts = {row["orchestration_session_id"]: row for row in await report(client, "scripts")}
    assert scripts[good]["scripts"] == ["people.csv", "pets.csv"]
    assert {key: row["entry_count"] for key, row in scripts.items()} == {good: 2, bad: 0}
    assert scripts[bad]["scripts"] == []
    executions = [tuple(row.values()) for row in await report(client, "executions")]
    # exec_nature, exec_count, succeeded, failed, success_rate
    assert sorted(executions) == [("SQL", 2, 1, 1, 0.5), ("shell", 2, 1, 1, 0.5)]
    issues = [tuple(row.values()) for row in await report(client, "issues")]
    # issue_type, issue_count, session_count, remediation_count
    assert issues == [("not a number", 2, 2, 2), ("skipped", 1, 1, 0)]
    remediations = await report(client, "remediations")
    assert {(r["orchestration_session_id"], r["remediation"]) for r in remediations} == {
        (good, "Write 4.5"),
        (bad, "Ask Ann"),
    }
    logs = await report(client, "logs")
    assert [(r["orchestration_session_id"], r["content"], r["exec_nature"]) for r in logs] == [
        (good, "12 rows", "SQL"),
        (good, "done", "SQL"),
    ]
    assert logs[1]["parent_log_id"] == logs[0]["orchestration_session_log_id"]


async def test_a_report_about_one_run(recorded: tuple[httpx.AsyncClient, str, str]) -> None:
    client, _, bad = recorded
    assert [tuple(r.values()) for r in await report(client, "executions", run=bad)] == [
        ("shell", 1, 0, 1, 0.0)
    ]
    assert await report(client, "logs", run=bad) == []
    assert await report(client, "by-device", run="no-such-run") == []


async def test_a_device_of_another_project_has_no_name(world: World) -> None:
    client = world.client()
    device = await make_device(client, name="press")
    await make_run(client, device_id=device)
    other = await post(client, "/api/projects", {"name": "O", "slug": "other"})
    await post(client, f"/api/devices/{device}/move", {"project_id": other["id"]}, 200)
    strict = world.client(**{"X-Project": str(world.project_id)})
    named = [(row["device_id"], row["name"]) for row in await report(client, "by-device")]
    unnamed = [(row["device_id"], row["name"]) for row in await report(strict, "by-device")]
    assert (len(named), named[0][1]) == (1, "press")
    assert unnamed == [(device, None)]


async def test_reports_are_paged(recorded: tuple[httpx.AsyncClient, str, str]) -> None:
    client, *_ = recorded
    for name in ("duration", "scripts", "executions", "issues", "remediations", "logs"):
        path, whole, cursor = f"/api/runs/reports/{name}", await report(client, name), None
        rows = []
        for _ in whole:
            parameters = {"limit": 1} if cursor is None else {"limit": 1, "cursor": cursor}
            page = (await client.get(path, params=parameters)).json()
            rows += page["data"]
            cursor = page["next_cursor"]
        assert (rows, cursor) == (whole, None)
    response = await client.get("/api/runs/reports/logs", params={"cursor": "nonsense"})
    assert response.status_code == 422


async def test_an_unknown_report(world: World) -> None:
    response = await world.client().get("/api/runs/reports/weather")
    assert response.status_code == 404


async def test_a_rate_of_nothing_is_null(world: World) -> None:
    client = world.client()
    await make_run(client)
    [row] = await report(client, "success-rate")
    assert (row["session_count"], row["success_rate"]) == (1, None)


async def test_reports_narrow_to_a_project(
    recorded: tuple[httpx.AsyncClient, str, str], world: World
) -> None:
    client = recorded[0]
    other = await client.post("/api/projects", json={"name": "Other", "slug": "other"})
    narrow = {"X-Project": str(other.json()["id"])}
    for name in REPORTS:
        response = await client.get(f"/api/runs/reports/{name}", headers=narrow)
        assert response.json() == {"data": [], "next_cursor": None}


async def test_a_run_as_a_person_reads_it(recorded: tuple[httpx.AsyncClient, str, str]) -> None:
    client, good, bad = recorded
    response = await client.get(f"/api/runs/{good}/report.md")
    assert response.headers["content-type"] == "text/markdown; charset=utf-8"
    lines = [
        "| … |" + line.partition(" UTC |")[2] if line.startswith("| 20") else line
        for line in response.text.splitlines()
    ]
    assert lines == EXPECTED_MARKDOWN.format(run_id=good).splitlines()
    short = (await client.get(f"/api/runs/{bad}/report.md")).text
    assert "1 executed, 1 failed." in short
    assert "## Diagnostics" not in short


async def test_markdown_of_hostile_text(world: World) -> None:
    client = world.client()
    run = await make_run(client, orchestration_session_id="a|b <script>")
    path = f"/api/runs/{run}"
    execution = {
        "exec_nature": "# heading\n- item",
        "exec_code": "echo `date`",
        "exec_status": 0,
        "output_text": "```\nnot the end\n```",
    }
    await client.post(f"{path}/execs", json=execution)
    text = (await client.get(f"{path}/report.md")).text
    assert text.startswith(r"# Run a\|b \<script\>")
    assert r"- ✓ \# heading - item: `` echo `date` ``" in text
    assert "````text\n  ```\n  not the end\n  ```\n  ````" in text
