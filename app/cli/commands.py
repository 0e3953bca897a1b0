"""All commands in one group, and what becomes of their errors."""

import importlib
import sys
from typing import Any

import click

import app
from app.errors import AppError, Invalid, Unavailable

# Imported only when asked for: a client command needs neither the ORM nor the server.
_COMMANDS = {
    "serve": "serve:serve",
    "account": "accounts:account",
    "member": "accounts:member",
    "token": "accounts:token",
    "db": "database:database_group",
    "doctor": "database:doctor",
    "login": "login:login",
    "sessions": "sessions:sessions",
    "run": "run:run",
    "instances": "instances:instances",
    "retention": "retention:retention",
    "tail": "tail:tail",
    "runs": "runs:runs",
    "orchestrations": "orchestrations:orchestrations",
    "decisions": "orchestrations:decisions",
    "agents": "agents:agents",
    "work-items": "work_items:work_items",
    "claims": "work_items:claims",
    "conflicts": "conflicts:conflicts",
    "tracks": "work_items:tracks",
    "hook": "hook_command:hook",
    "install-hooks": "install:install_hooks",
    "uninstall-hooks": "install:uninstall_hooks",
    "import": "import_command:import_transcripts",
}


class Commands(click.Group):
    """One clear line instead of a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(f"app.cli.{module}"), name)
        return command

    def main(self, *args: Any, **options: Any) -> Any:
        try:
            return super().main(*args, **options)
        except (Unavailable, Invalid, OSError) as error:
            _fail(error, 2)
        except AppError as error:
            _fail(error, 1)
        except Exception as error:
            if not _is_environment_error(error):
                raise
            _fail(error, 2)


def _is_environment_error(error: Exception) -> bool:
    """By name, so that no command pays for importing what only others can raise."""
    names = {f"{c.__module__.partition('.')[0]}.{c.__name__}" for c in type(error).__mro__}
    ours = {"app.EmbeddedError", "app.SettingsError"}
    theirs = {"httpx.TransportError", "httpx.InvalidURL", "asyncpg.PostgresError"}
    return not names.isdisjoint(ours | theirs)


def _fail(error: Exception, code: int) -> None:
    message = " ".join(str(error).split()) or type(error).__name__
    details = ", ".join(f"{e.path}: {e.message}" for e in getattr(error, "errors", ()))
    click.echo(f"agent-sessions: {message}{f' ({details})' if details else ''}", err=True)
    sys.exit(code)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(app.__version__, prog_name="agent-sessions")
def commands() -> None:
    """The server where your AI coding agents keep their sessions."""
