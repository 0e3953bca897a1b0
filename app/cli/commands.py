"""All commands in one group, and what becomes of their errors."""

import asyncio.exceptions
import sys
from typing import Any

import asyncpg
import click
import httpx

import app
from app.cli.accounts import account, member, token
from app.cli.database import database_group, doctor
from app.cli.login import login
from app.cli.serve import serve
from app.cli.sessions import sessions
from app.embedded import EmbeddedError
from app.errors import AppError, Unavailable
from app.settings import SettingsError

_ENVIRONMENT_ERRORS = (
    EmbeddedError,
    SettingsError,
    Unavailable,
    httpx.TransportError,
    asyncpg.PostgresError,
    asyncio.exceptions.TimeoutError,
    OSError,
)


class Commands(click.Group):
    """One clear line instead of a traceback."""

    def main(self, *args: Any, **options: Any) -> Any:
        try:
            return super().main(*args, **options)
        except _ENVIRONMENT_ERRORS as error:
            _fail(error, 2)
        except AppError as error:
            _fail(error, 1)


def _fail(error: Exception, code: int) -> None:
    message = " ".join(str(error).split()) or type(error).__name__
    details = ", ".join(f"{e.path}: {e.message}" for e in getattr(error, "errors", ()))
    click.echo(f"agent-sessions: {message}{f' ({details})' if details else ''}", err=True)
    sys.exit(code)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(app.__version__, prog_name="agent-sessions")
def commands() -> None:
    """The server where your AI coding agents keep their sessions.

    `hook [AGENT]` posts the event on standard input; it exits 0 whatever happens, so that an agent
    never waits for us.
    """


@commands.command("hook", help="Post a hook event from standard input (see above).")
@click.argument("agent", default="claude-code")
def hook(agent: str) -> None:
    """Listed for `--help` and completion; `app.__main__` runs it without any of this."""
    from app.cli.hook import main  # noqa: PLC0415 - only when asked for

    sys.exit(main([agent]))


for command in (serve, account, member, token, database_group, doctor, login, sessions):
    commands.add_command(command)
