"""Transcripts that agents keep on disk, imported into a server that knows a part, or nothing."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import FIXTURES, hook_stream
from tests.servers import Server, start_server, stop_server

TRANSCRIPTS = FIXTURES / "hooks" / "transcripts"
SIMPLE = "e1e94077-b581-4dbc-9f1b-e3998ee4ce59"
Told = tuple[str, str, str | None, str | None, int | None]


@pytest.fixture
def fresh(tmp_path: Path) -> Any:
    server = start_server(tmp_path)
    yield server
    stop_server(server)


def session(server: Server, external_id: str) -> dict[str, Any]:
    listed = server.json("sessions", "list")["data"]
    [row] = [row for row in listed if row["external_id"] == external_id]
    shown: dict[str, Any] = server.json("sessions", "show", str(row["id"]))
    return shown


def told(shown: dict[str, Any]) -> list[Told]:
    return [
        (
            i["command"]["module"],
            i["command"]["command"],
            i["result"] and i["result"]["status"],
            i["result"] and i["result"]["stdout"],
            i["result"] and i["result"]["code"],
        )
        for i in shown["interactions"]
    ]


def test_folder_of_transcripts_is_imported(fresh: Server, tmp_path: Path) -> None:
    folder = tmp_path / "projects" / "-home-dev-proj"
    folder.mkdir(parents=True)
    for file in TRANSCRIPTS.glob("claude-code-*.jsonl"):
        shutil.copy(file, folder)
    (folder / "notes.txt").write_text("not a transcript")
    first = fresh.json("import", "claude-code", str(folder.parent))
    assert first == {"files": 2, "events": 12, "stored": 12, "refused": 0}

    resumed = session(fresh, "11111111-2222-4333-8444-555555555555")
    answer = "done after 1 tool results"
    assert told(resumed)[:3] == [
        ("UserPrompt", "first", "ok", answer, None),
        ("Bash", "echo hi", "ok", "hi", None),
        ("UserPrompt", "second", "ok", answer, None),
    ]
    assert [row[:3] for row in told(resumed)[3:]] == [
        ("UserPrompt", "/compact keep it short", "ok")
    ]
    assert resumed["title"] == "first"
    assert resumed["interactions"][0]["command"]["timestamp"] == "2026-11-21T08:00:06.007000Z"
    assert resumed["interactions"][1]["result"]["timestamp"] == "2026-11-21T08:00:06.250000Z"
    # Nobody sees an agent at work here, and none is shown.
    assert resumed["status"] == "complete"
    assert resumed["state"]["ended"] == {"reason": "imported"}

    again = fresh.json("import", "claude-code", str(folder.parent))
    assert again == first
    assert session(fresh, resumed["external_id"]) == resumed


def test_codex_rollout_is_imported(fresh: Server) -> None:
    fresh.json("import", "codex", str(TRANSCRIPTS / "codex-rollout.jsonl"))
    shown = session(fresh, "01a1fd15-33ba-7780-b9e6-7148daf00eee")
    assert told(shown) == [
        ("UserPrompt", "say hi", "ok", "done after 2 tool results", None),
        ("Bash", "echo hi", "ok", "hi\n", 0),
        (
            "Bash",
            "ls /nonexistent-dir",
            "error",
            "ls: cannot access '/nonexistent-dir': No such file or directory\n",
            2,
        ),
    ]
    assert shown["state"]["agent"] == "codex"
    assert shown["state"]["model"] == "fake-model"


@pytest.mark.parametrize("missed", range(9))
def test_import_adds_only_what_hooks_have_missed(
    server: Server, tmp_path: Path, missed: int
) -> None:
    """Every event of the recorded run missing in turn, then the transcript of the same run."""
    session_id = f"missed-{missed}"
    for number, event in enumerate(hook_stream("claude-code-simple")):
        if number != missed:
            server.run("hook", stdin=json.dumps({**event, "session_id": session_id}))
    transcript = tmp_path / "transcript.jsonl"
    lines = (TRANSCRIPTS / "claude-code-simple.jsonl").read_text()
    transcript.write_text(lines.replace(SIMPLE, session_id) + '{"type": "user", "cut o')
    server.json("import", "claude-code", str(transcript))
    rows = told(session(server, session_id))
    assert sorted(row for row in rows if row[0] != "Event") == [
        ("Bash", "echo hi", "ok", "hi", None),
        ("UserPrompt", "hi", "ok", "done after 1 tool results", None),
    ]


def test_import_revives_no_agent(server: Server) -> None:
    event = {"session_id": SIMPLE, "hook_event_name": "PermissionRequest", "tool_name": "Bash"}
    server.run("hook", stdin=json.dumps(event))
    waiting = session(server, SIMPLE)["needs_input"]
    assert waiting is not None
    server.json("import", "claude-code", str(TRANSCRIPTS / "claude-code-simple.jsonl"))
    shown = session(server, SIMPLE)
    assert (shown["status"], shown["needs_input"]) == ("active", waiting)
    server.run("hook", stdin=json.dumps({**event, "hook_event_name": "SessionEnd"}))
    server.json("import", "claude-code", str(TRANSCRIPTS / "claude-code-simple.jsonl"))
    assert session(server, SIMPLE)["status"] == "complete"


def test_refused_event_is_reported_with_its_reason(server: Server) -> None:
    done = server.run("import", "claude-code", "no-such-file")
    assert done.returncode == 2
    assert "no-such-file" in done.stderr
    path = str(TRANSCRIPTS / "claude-code-simple.jsonl")
    done = server.run("import", "claude-code", path, AGENT_SESSIONS_TOKEN="as_1-999_no")
    assert done.returncode == 1


def claude_line(**fields: Any) -> str:
    call = {"type": "tool_use", "id": "odd", "name": "Bash", "input": {"command": "odd", **fields}}
    message = {"role": "assistant", "content": [call]}
    return json.dumps({"type": "assistant", "sessionId": "odd", "uuid": "o", "message": message})


def deep(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


def test_unreadable_lines_are_passed_over(server: Server, tmp_path: Path) -> None:
    lines = [
        "[" * 3000 + "]" * 3000,
        claude_line().replace('"type": "assistant"', '"type": ["user"]'),
        claude_line().replace('"content":', '"stop_reason": ["end_turn"], "content":'),
        claude_line(half="hi \ud83d!"),
        claude_line(deep=json.loads(deep(80)), large=2**70),
    ]
    odd = {"type": "function_call", "name": ["shell"], "call_id": "c", "arguments": deep(3000)}
    half = {"type": "function_call", "call_id": "half", "arguments": '{"cmd": "hi \\ud83d!"}'}
    meta = {"type": "session_meta", "payload": {"id": "odd-codex"}}
    rollout = [meta, {"payload": odd}, {"payload": {**half, "name": "shell"}}]
    for agent, name, text in (
        ("claude-code", "a.jsonl", lines),
        ("codex", "b.jsonl", list(map(json.dumps, rollout))),
    ):
        (tmp_path / name).write_text("\n".join(text))
        totals = server.json("import", agent, str(tmp_path / name))
        assert totals["refused"] == 0
    [_, metadata] = [i["command"]["metadata"] for i in session(server, "odd-codex")["interactions"]]
    assert metadata["tool_input"] == {"command": "hi \ufffd!"}


def test_refused_event_does_not_keep_out_the_others(server: Server, tmp_path: Path) -> None:
    simple = (TRANSCRIPTS / "claude-code-simple.jsonl").read_text()
    too_large = claude_line(many=["short"] * 1_500_000)
    for name in ("a", "b"):
        lines = simple.replace(SIMPLE, f"refused-{name}").splitlines()
        (tmp_path / f"{name}.jsonl").write_text("\n".join([lines[0], too_large, *lines[1:]]))
    path = str(tmp_path)
    done = server.run("import", "claude-code", path, "--json")
    totals = json.loads(done.stdout)
    assert (done.returncode, totals["refused"], totals["files"]) == (1, 2, 2)
    assert f"2 of {totals['events']} events were refused" in done.stderr
    assert totals["stored"] == totals["events"] - 2
    assert ("Bash", "echo hi", "ok", "hi", None) in told(session(server, "refused-a"))
    assert told(session(server, "refused-a")) == told(session(server, "refused-b"))
