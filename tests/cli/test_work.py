"""`runs`, `orchestrations` and `decisions` against a real server."""

from typing import Any

import httpx

from tests.servers import Server


def post(server: Server, path: str, body: Any) -> Any:
    headers = {"Authorization": f"Bearer {server.token}"}
    response = httpx.post(f"{server.url}{path}", json=body, headers=headers)
    assert response.is_success, response.text
    return response.json() if response.content else None


def test_runs_are_listed_shown_and_reported(server: Server) -> None:
    device = post(server, "/api/devices", {"name": "press"})["device_id"]
    run = {"orchestration_session_id": "a b", "orchestration_nature_id": "v&v", "version": "1"}
    post(server, "/api/runs", {**run, "device_id": device})
    execution = {"exec_nature": "shell", "exec_code": "make check", "exec_status": 2}
    post(server, "/api/runs/a%20b/execs", execution)
    [row] = server.json("runs", "list", "--running")["data"]
    assert row["failed_exec_count"] == 1
    assert "v&v" in server.run("runs", "list", "--nature", "v&v").stdout
    assert server.json("runs", "list", "--finished")["data"] == []
    assert "# Run a b" in server.run("runs", "show", "a b").stdout
    assert server.json("runs", "show", "a b")["device_id"] == device
    [report] = server.json("runs", "report", "executions")["data"]
    assert (report["exec_nature"], report["success_rate"]) == ("shell", 0.0)
    assert "press" in server.run("runs", "report", "by-device").stdout
    assert server.run("runs", "report", "weather").returncode == 2
    missing = server.run("runs", "show", "nothing")
    assert (missing.returncode, missing.stderr) == (
        1,
        "agent-sessions: There is no such resource.\n",
    )


def test_orchestrations_and_decisions_are_shown_and_changed(server: Server) -> None:
    body = {"session_type": "venture_workflow", "objective": "ship", "chairman_oversight": True}
    orchestration = post(server, "/api/orchestrations", body)["session_id"]
    action = {"event_type": "deploy", "critical": True}
    post(server, f"/api/orchestrations/{orchestration}/actions", action)
    assert "ship" in server.run("orchestrations", "list").stdout
    assert len(server.json("orchestrations", "list", "--status", "active")["data"]) == 1
    assert server.json("orchestrations", "show", orchestration)["objective"] == "ship"
    assert "deploy" in server.run("orchestrations", "actions", orchestration).stdout
    for verb, status in (("start", "active"), ("pause", "paused"), ("resume", "active")):
        assert server.json("orchestrations", verb, orchestration)["session_status"] == status
    refused = server.run("orchestrations", "complete", orchestration)
    assert (refused.returncode, refused.stderr) == (
        1,
        "agent-sessions: This orchestration has pending decisions.\n",
    )
    [decision] = server.json("decisions", "list")["data"]
    assert "deploy" in server.run("decisions", "list").stdout
    # Whoever asked cannot decide.
    own = server.run("decisions", "approve", decision["decision_id"])
    assert own.returncode == 1
    added = server.json(
        "member",
        "add",
        "--account",
        orchestration_account(server),
        "--email",
        "admin@example.test",
        "--role",
        "admin",
        "--data-dir",
        str(server.data_dir),
    )
    admin = {"AGENT_SESSIONS_TOKEN": added["token"]}
    without = server.run("decisions", "reject", decision["decision_id"], **admin)
    assert without.returncode == 2
    rejected = server.run("decisions", "reject", decision["decision_id"], "--note", "no", **admin)
    assert rejected.stdout == "rejected: deploy\n"
    assert server.json("decisions", "list")["data"] == []
    failed = server.json("orchestrations", "fail", orchestration, "--message", "stopped")
    assert failed["session_status"] == "failed"
    shown = server.run("orchestrations", "show", orchestration).stdout
    assert "error: stopped" in shown
    assert "1 cancelled" in shown


def orchestration_account(server: Server) -> str:
    headers = {"Authorization": f"Bearer {server.token}"}
    me = httpx.get(f"{server.url}/api/me", headers=headers).json()
    return str(me["account"]["id"])


def test_markup_of_agents_is_shown_as_text(server: Server) -> None:
    """Brackets are no markup, and what would steer a terminal is spelled out."""
    text, shown = (
        "the [/api] :ok: [red]x[/red] \x1b[2J\x9b2J",
        "the [/api] :ok: [red]x[/red] \\u001b",
    )
    made = post(server, "/api/sessions", {"type": "RecordedSessions", "title": text})
    waiting = {"session_id": "s", "hook_event_name": "Notification", "message": text}
    post(server, "/api/hooks/claude-code", waiting)
    [row] = server.json("sessions", "list", "--needs-input")["data"]
    item = {"key": "SD-markup", "title": text}
    post(server, "/api/work-items", item)
    objective = {"session_type": "venture_workflow", "objective": text}
    orchestration = post(server, "/api/orchestrations", objective)["session_id"]
    for arguments in (
        ("sessions", "list"),
        ("sessions", "show", str(made["id"])),
        ("sessions", "show", str(row["id"])),
        ("sessions", "create", "--type", "RecordedSessions", "--title", text),
        ("work-items", "list"),
        ("work-items", "show", item["key"]),
        ("orchestrations", "list"),
        ("orchestrations", "show", orchestration),
    ):
        done = server.run(*arguments)
        assert (done.returncode, done.stderr) == (0, "")
        assert shown in done.stdout, arguments
        assert {"\x1b", "\x9b"}.isdisjoint(done.stdout)
