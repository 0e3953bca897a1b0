"""What the command line imports, and how its commands look to a user."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from app.cli.commands import Commands, commands, load

NAMES = Commands().list_commands(click.Context(commands))
SERVER = {"litestar", "sqlalchemy", "uvicorn", "alembic", "asyncpg", "app.contexts", "app.models"}
HEAVY = {*SERVER, "httpx", "rich", "asyncio"}


def imported(*arguments: str, **variables: str) -> set[str]:
    """The modules that a command imports."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "app", *arguments],
        input=b"{}",
        capture_output=True,
        env={**os.environ, "AGENT_SESSIONS_TOKEN": "as_1-1_x", **variables},
        check=False,
    )
    lines = done.stderr.decode().splitlines()
    return {line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")}


@pytest.mark.parametrize("name", NAMES)
def test_short_help_in_the_list_is_that_of_the_command(name: str) -> None:
    listed = commands.get_command(click.Context(commands), name)
    assert listed is not None
    assert listed.get_short_help_str(1000) == load(name).get_short_help_str(1000)


COMPLETION = {
    "_AGENT_SESSIONS_COMPLETE": "bash_complete",
    "COMP_WORDS": "agent-sessions ",
    "COMP_CWORD": "1",
}


@pytest.mark.parametrize(
    ("arguments", "variables"), [(["--help"], {}), (["--version"], {}), ([], COMPLETION)]
)
def test_help_version_and_completion_import_no_command(
    arguments: list[str], variables: dict[str, str]
) -> None:
    modules = imported(*arguments, **variables)
    assert "app.cli.commands" in modules
    assert modules.isdisjoint(HEAVY)
    ours = {name for name in modules if name.startswith("app.")}
    assert ours == {"app.__main__", "app.cli", "app.cli.commands", "app.cli.output"} & modules


def test_completion_offers_commands_and_their_options() -> None:
    for words, offered in (("agent-sessions work-", "work-items"), ("agent-sessions ", "tail")):
        done = subprocess.run(
            [sys.executable, "-m", "app"],
            capture_output=True,
            text=True,
            env={**os.environ, **COMPLETION, "COMP_WORDS": words},
            check=False,
        )
        assert f"plain,{offered}" in done.stdout.splitlines()


@pytest.mark.parametrize("group", ["sessions", "agents", "work-items", "runs", "instances"])
def test_client_command_imports_nothing_of_the_server(group: str) -> None:
    modules = imported(group, "list", AGENT_SESSIONS_URL="http://127.0.0.1:9")
    assert modules.isdisjoint(HEAVY)


def test_hook_imports_next_to_nothing(tmp_path: Path) -> None:
    heavy = {"socket", "ssl", "json", "re", "enum", "pathlib", "typing", "threading", "click"}
    modules = imported(
        "hook",
        AGENT_SESSIONS_URL="http://127.0.0.1:9",
        XDG_STATE_HOME=str(tmp_path),
        XDG_CONFIG_HOME=str(tmp_path),
    )
    assert "app.cli.delivery" in modules
    after = modules & {*heavy, *HEAVY, "http.client", "email", "hashlib", "urllib.parse"}
    assert after <= imported("hook", AGENT_SESSIONS_TOKEN="")


def _walk(command: click.Command, path: str) -> list[tuple[str, click.Command]]:
    found = [(path, command)]
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            found += _walk(below, f"{path} {name}")
    return found


ALL = [entry for name in NAMES for entry in _walk(load(name), name)]


def test_session_option_always_means_a_development_session() -> None:
    for path, command in ALL:
        for parameter in command.params:
            if "--session" in parameter.opts:
                assert isinstance(parameter.type, click.IntRange), path


def test_one_thing_is_shown_by_show() -> None:
    assert not [path for path, _ in ALL if path.endswith(" get")]


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["sessions", "lst"],
        ["sessions", "list", "--nonsense"],
        ["sessions", "show", "x"],
        ["sessions", "show"],
        ["sessions", "list", "--limit", "0"],
        ["import", "codex", "/nowhere"],
        ["serve", "--port", "x"],
    ],
)
def test_usage_error_is_one_line_with_the_prefix(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "app", *arguments], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("agent-sessions: ")
    assert done.stderr.count("\n") == 1
