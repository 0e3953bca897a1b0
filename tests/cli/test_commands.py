"""The command line against a real server."""

import asyncio
import json
import stat
from pathlib import Path

import asyncpg
import httpx
import pytest

from app import embedded
from app.cli.local import bin_dir
from tests.conftest import hook_stream
from tests.servers import Server, start_server, stop_server


def test_first_server_shows_a_session_posted_by_hooks(server: Server) -> None:
    """What the README tells a new user to do."""
    for event in hook_stream("claude-code-simple"):
        done = server.run("hook", "claude-code", stdin=json.dumps(event))
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    [row] = server.json("sessions", "list")["data"]
    assert row["title"] == "hi"
    listed = server.run("sessions", "list").stdout
    assert "RecordedSessions" in listed
    assert "complete" in listed
    shown = server.run("sessions", "show", str(row["id"])).stdout
    assert "UserPrompt  hi" in shown
    assert "Bash  echo hi" in shown
    assert server.json("sessions", "show", str(row["id"]))["interaction_count"] == 3


def test_first_token_is_readable_only_by_its_owner(server: Server) -> None:
    path = server.data_dir / "owner-token"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_accounts_members_and_tokens_are_created_and_revoked(server: Server) -> None:
    folder = ("--data-dir", str(server.data_dir))
    made = server.json(
        "account", "create", "--name", "Acme, Inc.", "--owner", "o@acme.test", *folder
    )
    assert made["account"]["slug"] == "acme-inc"
    assert made["project"]["slug"] == "default"
    owner = {"Authorization": f"Bearer {made['token']}"}
    me = httpx.get(f"{server.url}/api/me", headers=owner).json()
    assert (me["user"]["email"], me["role"]) == ("o@acme.test", "owner")
    assert me["project"]["id"] == made["project"]["id"]

    account = ("--account", str(made["account"]["id"]))
    added = server.json(
        "member", "add", *account, "--email", "e@acme.test", "--role", "editor", *folder
    )
    assert added["member"]["role"] == "editor"
    token = server.json(
        "token",
        "create",
        *account,
        "--email",
        "E@acme.test",
        "--scope",
        "read",
        "--expires-in-days",
        "7",
        "--project",
        str(made["project"]["id"]),
        *folder,
    )
    assert (token["scopes"], token["project_id"]) == (["read"], made["project"]["id"])
    reader = {"AGENT_SESSIONS_TOKEN": token["token"]}
    assert server.json("sessions", "list", **reader) == {"data": [], "next_cursor": None}
    revoked = server.json("token", "revoke", *account, str(token["id"]), *folder)
    assert revoked["revoked_at"] is not None
    for _ in range(60):  # a server in another process may remember it for two seconds
        refused = server.run("sessions", "list", **reader)
        if refused.returncode:
            break
    assert refused.returncode == 1
    assert refused.stderr == "agent-sessions: A valid token is required.\n"
    missing = server.run(
        "member", "add", "--account", "999999", "--email", "x@y.z", "--role", "viewer", *folder
    )
    assert (missing.returncode, missing.stderr) == (
        1,
        "agent-sessions: There is no such resource.\n",
    )


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--name", "x", "--owner", "nobody"), 2, "email"),
        (("--name", "x", "--owner", "a@b.c", "--slug", "default"), 1, "slug"),
        (("--name", "x", "--owner", "a@b.c", "--slug", "admin"), 2, "slug"),
        (("--name", "", "--owner", "a@b.c"), 2, "name"),
    ],
)
def test_invalid_account_is_refused_in_one_line(
    server: Server, arguments: tuple[str, ...], code: int, words: str
) -> None:
    done = server.run("account", "create", *arguments, "--data-dir", str(server.data_dir))
    assert done.returncode == code
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_accounts_of_the_same_name_get_different_slugs(server: Server) -> None:
    made = [
        server.json(
            "account",
            "create",
            "--name",
            "A",
            "--owner",
            "a@b.c",
            "--data-dir",
            str(server.data_dir),
        )
        for _ in range(2)
    ]
    assert [m["account"]["slug"] for m in made] == ["account-a", "account-a-2"]


def test_login_saves_only_a_token_that_works(server: Server) -> None:
    nothing = {"AGENT_SESSIONS_TOKEN": "", "AGENT_SESSIONS_URL": server.url}
    assert server.run("sessions", "list", **nothing).returncode == 2
    refused = server.run("login", stdin="as_1-1_wrong\n", **nothing)
    assert refused.returncode == 1
    done = server.run("login", stdin=f"{server.token}\n", **nothing)
    assert done.returncode == 0, done.stderr
    path = server.home / ".config" / "agent-sessions" / "credentials.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    forgotten = {"AGENT_SESSIONS_TOKEN": "", "AGENT_SESSIONS_URL": ""}
    assert server.run("sessions", "list", **forgotten).returncode == 0


def test_database_commands_and_doctor_pass_on_a_healthy_server(server: Server) -> None:
    folder = ("--data-dir", str(server.data_dir))
    assert server.json("db", "upgrade", *folder) == server.json("db", "upgrade", *folder)
    checked = server.json("db", "check", *folder)
    assert checked["revision"] == checked["needed"]
    assert server.json("db", "url", *folder)["url"].startswith("postgresql://")
    findings = server.json("doctor", *folder)
    assert {f["subject"] for f in findings} >= {"database", "migrations", "row security", "clock"}
    assert all(f["ok"] for f in findings)


def test_unusable_environment_is_reported_without_a_traceback(
    server: Server, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_text("")
    port = server.url.rpartition(":")[2]
    unreachable = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing"}
    for arguments, variables in (
        (("serve", "--port", port, "--data-dir", str(tmp_path)), {}),
        (("serve", "--port", "0", "--data-dir", str(file)), {}),
        (("serve", "--port", "0", "--data-dir", str(tmp_path)), unreachable),
        (("serve", "--port", "0"), {"DATABASE_URL": "mysql://localhost/x"}),
        (("serve", "--port", "0"), {**unreachable, "AGENT_SESSIONS_POOL_SIZE": "many"}),
        (("db", "check"), unreachable),
        (("sessions", "list"), {"AGENT_SESSIONS_URL": "http://127.0.0.1:1"}),
        (("sessions", "list"), {"AGENT_SESSIONS_URL": "http://[::1"}),
        (("sessions", "list"), {"AGENT_SESSIONS_TOKEN": "", "HOME": str(tmp_path)}),
    ):
        done = server.run(*arguments, **variables)
        assert done.returncode == 2, (arguments, done.stderr)
        assert "Traceback" not in done.stderr
        assert len(done.stderr.splitlines()) <= 4, done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("token", "revoke", "--account", "1", "9" * 20), "TOKEN_ID"),
        (("token", "revoke", "--account", "9" * 20, "1"), "--account"),
        (("token", "create", "--account", "1", "--email", "e", "--project", "9" * 20), "--project"),
        (("token", "create", "--account", "1", "--email", "e", "--name", ""), "name"),
        (("token", "create", "--account", "1", "--email", "e", "--name", "n" * 201), "name"),
        (("db", "downgrade", "nonsense"), "nonsense"),
    ],
)
def test_impossible_argument_is_refused_by_name(
    server: Server, arguments: tuple[str, ...], words: str
) -> None:
    done = server.run(*arguments, "--data-dir", str(server.data_dir))
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_token_that_no_header_can_carry_is_refused(server: Server) -> None:
    for done in (
        server.run("sessions", "list", AGENT_SESSIONS_TOKEN="as_é"),
        server.run("tail", AGENT_SESSIONS_TOKEN="as_\x1b"),
        server.run("login", stdin="as_é\n"),
    ):
        assert done.returncode == 2
        assert "is not a valid token" in done.stderr
        assert "Traceback" not in done.stderr


def test_hook_is_silent_when_nothing_works(server: Server, tmp_path: Path) -> None:
    for variables in (
        {"AGENT_SESSIONS_URL": "http://127.0.0.1:1"},
        {"AGENT_SESSIONS_URL": "nonsense"},
        {"AGENT_SESSIONS_TOKEN": "wrong"},
        {"AGENT_SESSIONS_TOKEN": "", "HOME": str(tmp_path / "missing")},
    ):
        done = server.run("hook", "claude-code", stdin="{", **variables)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_version_and_help_are_printed(server: Server) -> None:
    assert "agent-sessions" in server.run("--version").stdout
    listed = server.run("--help").stdout
    for command in ("serve", "account", "member", "token", "db", "doctor", "sessions", "hook"):
        assert command in listed
    assert server.run("nonsense").returncode == 2


def test_second_start_keeps_token_and_sessions(tmp_path: Path) -> None:
    first = start_server(tmp_path)
    header = {"Authorization": f"Bearer {first.token}"}
    httpx.post(f"{first.url}/api/sessions", json={"type": "RecordedSessions"}, headers=header)
    assert stop_server(first) == 0
    second = start_server(tmp_path)
    assert second.token == first.token
    rows = httpx.get(f"{second.url}/api/sessions", headers=header).json()["data"]
    assert len(rows) == 1
    assert stop_server(second) == 0


def test_several_workers_share_one_port(tmp_path: Path) -> None:
    server = start_server(tmp_path, "--workers", "2")
    header = {"Authorization": f"Bearer {server.token}"}
    for n in range(10):
        body = {"type": "RecordedSessions", "title": str(n)}
        made = httpx.post(f"{server.url}/api/sessions", json=body, headers=header)
        assert made.status_code == 201
        assert httpx.get(f"{server.url}{made.headers['location']}", headers=header).is_success
    assert stop_server(server) == 0


def test_database_of_a_newer_version_is_not_touched(tmp_path: Path) -> None:
    server = start_server(tmp_path)
    folder = ("--data-dir", str(server.data_dir))
    url = server.json("db", "url", *folder)["url"]
    assert "host=" in url
    stop_server(server)

    async def pretend(database_url: str) -> None:
        connection = await asyncpg.connect(database_url)
        await connection.execute("UPDATE schema_migrations SET version_num = '9999'")
        await connection.close()

    with embedded.start(server.data_dir, bin_dir=bin_dir()) as cluster:
        asyncio.run(pretend(cluster.url))
    done = server.run("serve", "--port", "0", *folder)
    assert done.returncode == 2
    assert "9999" in done.stderr
    assert "Traceback" not in done.stderr
