"""Agents' settings files: our hooks go in and out, everything else stays as it was."""

import json
import os
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from app.cli import database
from app.cli.agent_hooks import AGENTS, SETTINGS
from app.cli.commands import commands

THEIRS = """\
{
    "model": "opus",
    "hooks": {
        "Stop": [{"hooks": [{"type": "command", "command": "notify-send 'done'"}]}],
        "PreToolUse": [
            {"matcher": "Bash", "hooks": [{"type": "command", "command": "guard.sh"}]}
        ]
    },
    "permissions": {"allow": ["Bash(ls *)"], "deny": []},
    "größe": 1.50
}
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("CLAUDE_CONFIG_DIR", "CODEX_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AGENT_SESSIONS_URL", "AGENT_SESSIONS_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    return home


def call(*arguments: str) -> Result:
    return CliRunner().invoke(commands, arguments)


def ok(*arguments: str) -> Any:
    result = call(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.parametrize("agent", AGENTS)
def test_installing_and_uninstalling_without_a_settings_file(home: Path, agent: str) -> None:
    installed = ok("install-hooks", agent)
    path = Path(installed["path"])
    assert installed["changed"]
    assert path.is_relative_to(home)
    content = path.read_bytes()
    assert ok("install-hooks", agent)["changed"] is False
    assert path.read_bytes() == content
    assert ok("uninstall-hooks", agent)["changed"]
    assert not path.exists()
    assert ok("uninstall-hooks", agent)["changed"] is False


@pytest.mark.parametrize("agent", SETTINGS)
@pytest.mark.parametrize(
    "theirs",
    [
        THEIRS,
        THEIRS.replace("\n", "\r\n"),
        "\ufeff" + THEIRS,
        THEIRS.rstrip(),
        THEIRS.replace("    ", "\t"),
        json.dumps(json.loads(THEIRS)),
        "{}",
        "",
    ],
)
def test_uninstalling_restores_the_file_byte_for_byte(home: Path, agent: str, theirs: str) -> None:
    path = Path(ok("install-hooks", agent)["path"])
    ok("uninstall-hooks", agent)
    path.write_bytes(theirs.encode())
    path.chmod(0o640)
    ok("install-hooks", agent)
    assert path.read_bytes() != theirs.encode()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    before = json.loads(theirs.removeprefix("\ufeff") or "{}")
    after = json.loads(path.read_bytes().decode("utf-8-sig"))
    assert list(after)[: len(before)] == list(before), "nothing is reordered"
    for event, groups in before.get("hooks", {}).items():
        assert after["hooks"][event][: len(groups)] == groups
    assert ok("uninstall-hooks", agent)["changed"]
    assert path.read_bytes() == theirs.encode()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_uninstalling_from_an_edited_file_removes_only_our_hooks(home: Path) -> None:
    path = home / ".claude" / "settings.json"
    path.parent.mkdir()
    path.write_text(THEIRS)
    ok("install-hooks", "claude-code")
    edited = json.loads(path.read_text())
    edited["model"] = "sonnet"
    edited["hooks"]["PreToolUse"][1]["hooks"].append({"type": "command", "command": "mine.sh"})
    path.write_text(json.dumps(edited, indent=4))
    assert ok("uninstall-hooks", "claude-code")["changed"]
    left = json.loads(path.read_text())
    expected = json.loads(THEIRS)
    expected["model"] = "sonnet"
    expected["hooks"]["PreToolUse"].append(
        {"matcher": "*", "hooks": [{"type": "command", "command": "mine.sh"}]}
    )
    assert left == expected
    assert list(left) == list(expected)


def test_installing_again_keeps_an_edit_in_between(home: Path) -> None:
    path = home / ".claude" / "settings.json"
    ok("install-hooks", "claude-code")
    edited = json.loads(path.read_text())
    del edited["hooks"]["Stop"]
    edited["model"] = "sonnet"
    path.write_text(json.dumps(edited))
    assert ok("install-hooks", "claude-code")["changed"]
    again = json.loads(path.read_text())
    assert again["model"] == "sonnet"
    assert "Stop" in again["hooks"]
    assert ok("uninstall-hooks", "claude-code")["changed"]
    assert json.loads(path.read_text()) == {"model": "sonnet"}


def test_symbolic_link_is_followed(home: Path, tmp_path: Path) -> None:
    real = tmp_path / "dotfiles.json"
    real.write_text(THEIRS)
    path = home / ".claude" / "settings.json"
    path.parent.mkdir()
    path.symlink_to(real)
    ok("install-hooks", "claude-code")
    assert path.is_symlink()
    assert "hook claude-code" in real.read_text()
    ok("uninstall-hooks", "claude-code")
    assert real.read_text() == THEIRS


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ('{"a": "http://x.test", // a comment\n}', "has comments"),
        ('{"a": "http://x.test",}', "is not valid JSON"),
        ("[]", "is not a JSON object"),
        ('{"hooks": []}', "`hooks` in the settings is not a JSON object"),
        ('{"hooks": {"Stop": {}}}', "`hooks.Stop` in the settings is not a list"),
        ('{"a": 1, "a": 2}', "a key is there twice"),
    ],
)
def test_file_that_cannot_be_merged_is_left_unchanged(
    home: Path, content: str, complaint: str
) -> None:
    path = home / ".claude" / "settings.json"
    path.parent.mkdir()
    path.write_text(content)
    result = call("install-hooks", "claude-code")
    assert result.exit_code == 2
    assert complaint in result.output
    assert path.read_text() == content


def test_project_settings_name_the_command_without_a_path(home: Path) -> None:
    path = Path(ok("install-hooks", "claude-code", "--project")["path"])
    assert path == Path.cwd() / ".claude" / "settings.json"
    [group] = json.loads(path.read_text())["hooks"]["Stop"]
    assert group["hooks"][0]["command"] == "agent-sessions hook claude-code"


def test_http_hooks_are_written_for_events_that_take_them(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks = ok("install-hooks", "claude-code", "--http", "--print")["hooks"]
    kinds = {event: group["hooks"][0]["type"] for event, group in hooks.items()}
    assert {event for event, kind in kinds.items() if kind == "command"} == {
        "SessionStart",
        "Setup",
    }
    http = hooks["PreToolUse"]["hooks"][0]
    assert http["url"] == "http://127.0.0.1:8000/api/hooks/claude-code"
    assert "$" not in http["url"]
    assert http["headers"] == {"Authorization": "Bearer $AGENT_SESSIONS_TOKEN"}
    assert http["allowedEnvVars"] == ["AGENT_SESSIONS_TOKEN"]
    assert "WorktreeCreate" not in hooks
    assert not (home / ".claude").exists(), "--print writes nothing"

    ok("install-hooks", "claude-code")
    ok("install-hooks", "claude-code", "--http")
    settings = json.loads((home / ".claude" / "settings.json").read_text())
    assert [len(groups) for groups in settings["hooks"].values()] == [1] * len(settings["hooks"])

    monkeypatch.setenv("AGENT_SESSIONS_URL", "https://sessions.example")
    monkeypatch.setenv("AGENT_SESSIONS_TOKEN", "as_1-1_x")
    refused = call("install-hooks", "claude-code", "--http")
    assert refused.exit_code == 2
    assert "not on this machine" in refused.output
    assert call("install-hooks", "codex", "--http").exit_code == 2


def test_installed_command_runs_the_hook(home: Path, tmp_path: Path) -> None:
    """From a folder and with a PYTHONPATH that have an `app` of their own."""
    group = ok("install-hooks", "claude-code", "--print")["hooks"]["Stop"]
    (tmp_path / "project" / "app").mkdir()
    done = subprocess.run(
        ["/bin/sh", "-c", group["hooks"][0]["command"]],
        input='{"session_id": "s"}',
        capture_output=True,
        text=True,
        env={
            "HOME": str(home),
            "PYTHONPATH": str(tmp_path / "project"),
            "AGENT_SESSIONS_URL": "http://127.0.0.1:9",
            "AGENT_SESSIONS_TOKEN": "as_1-1_x",
        },
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len(list(home.glob(".local/state/agent-sessions/spool/*/*.json"))) == 1


def test_hooks_of_an_older_version_are_replaced_in_place(home: Path) -> None:
    path = Path(ok("install-hooks", "claude-code")["path"])
    settings = json.loads(path.read_text())
    current = settings["hooks"]["Stop"][0]["hooks"][0]["command"]
    settings["hooks"]["Stop"][0]["hooks"][0]["command"] = "/old/agent-sessions hook claude-code"
    path.write_text(json.dumps(settings))
    ok("install-hooks", "claude-code")
    [group] = json.loads(path.read_text())["hooks"]["Stop"]
    assert group["hooks"][0]["command"] == current


def test_settings_with_comments_do_not_worry_the_doctor(home: Path) -> None:
    path = home / ".gemini" / "settings.json"
    path.parent.mkdir()
    path.write_text('{ // how it looks\n "ui": {"theme": "Ayu"} }')
    refused = call("install-hooks", "gemini")
    assert refused.exit_code == 2
    assert "--print" in refused.output
    finding = database.hooks_finding()
    assert finding.ok
    assert "comments" in finding.detail


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js")
def test_opencode_plugin_runs_on_nodejs(home: Path) -> None:
    plugin = Path("plugin.mjs")
    plugin.write_text(call("install-hooks", "opencode", "--print").output)
    script = """
        const { AgentSessions } = await import("./plugin.mjs")
        const hooks = await AgentSessions({})
        await hooks.event({ event: { type: "session.created" } })
        await hooks["chat.message"]({ sessionID: "s" }, { parts: [] })
    """
    subprocess.run(
        ["node", "--input-type=module", "-e", script],
        env={
            **os.environ,
            "AGENT_SESSIONS_URL": "http://127.0.0.1:9",
            "AGENT_SESSIONS_TOKEN": "as_1-1_x",
        },
        check=True,
    )
    files = sorted(home.glob(".local/state/agent-sessions/spool/*/*.json"))
    bodies = [json.loads(file.read_text()) for file in files]
    assert bodies == [
        {"type": "session.created"},
        {"input": {"sessionID": "s"}, "output": {"parts": []}},
    ]
