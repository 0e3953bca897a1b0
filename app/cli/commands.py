"""All commands in one group, and the form of their errors."""

import importlib
import sys
from typing import Any

import click

import app
from app.cli.output import complain, encode_anything

# Name, where it is, and its short help: `--help` and completion import none of the commands.
_COMMANDS = {
    "serve": (
        "serve:serve",
        "Migrate the database, create the first account in an empty one, and serve.",
    ),
    "account": ("accounts:account", "Accounts of this server."),
    "member": ("accounts:member", "Members of an account."),
    "token": ("accounts:token", "API tokens."),
    "db": ("database:database_group", "The database and its schema."),
    "doctor": ("database:doctor", "Check the installation; exit 1 when something is wrong."),
    "login": (
        "login:login",
        "Save a token for the other commands, once the server has accepted it.",
    ),
    "sessions": ("sessions:sessions", "Development sessions on the server."),
    "run": ("run:run", "Run a session's commands on this machine, one after the other."),
    "instances": ("instances:instances", "Long-running agents and how to resume their work."),
    "retention": ("retention:retention", "Remove expired data of closed instances."),
    "tail": ("tail:tail", "Follow events as they happen, until Ctrl-C."),
    "runs": ("runs:runs", "Runs: evidence of what jobs did on devices."),
    "orchestrations": ("orchestrations:orchestrations", "Orchestrations of several agents."),
    "decisions": ("orchestrations:decisions", "Actions that wait for approval."),
    "agents": ("agents:agents", "Agent processes: which are alive, and what they hold."),
    "work-items": ("work_items:work_items", "Work items: the work that agents claim."),
    "claims": ("work_items:claims", "Claims on work items, current and released."),
    "conflicts": ("conflicts:conflicts", "Conflicts between work items."),
    "tracks": ("work_items:tracks", "List the tracks on which work can go on in parallel."),
    "hook": (
        "hook_command:hook",
        "Post an agent's hook event, read from standard input unless EVENT is given.",
    ),
    "install-hooks": ("install:install_hooks", "Install hooks that post AGENT's events."),
    "uninstall-hooks": ("install:uninstall_hooks", "Remove the hooks of install-hooks."),
    "import": (
        "import_command:import_transcripts",
        "Import transcripts of AGENT: files, or folders with .jsonl files at any depth.",
    ),
}


class Commands(click.Group):
    """Imports a command when it is run, and shows an error as one line instead of a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A stand-in with the short help, for lists; `resolve_command` loads the command."""
        if cmd_name not in _COMMANDS:
            return None
        return click.Command(cmd_name, help=_COMMANDS[cmd_name][1])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, listed, rest = super().resolve_command(ctx, args)
        return name, load(name) if name in _COMMANDS else listed, rest

    def main(self, *args: Any, **options: Any) -> Any:
        encode_anything()
        try:
            code = super().main(*args, **{**options, "standalone_mode": False})
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            code = error.exit_code
        except click.UsageError as error:
            hint = f"; see `{error.ctx.command_path} --help`" if error.ctx else ""
            complain(f"{error.format_message().rstrip('.')}{hint}")
            code = error.exit_code
        except click.ClickException as error:
            complain(error.format_message())
            code = error.exit_code
        except click.Abort:
            complain("aborted")
            code = 1
        except Exception as error:
            code = _exit_code(error)
            if code is None:
                raise
            complain(_message(error))
        sys.exit(code if isinstance(code, int) else 0)


def load(name: str) -> click.Command:
    """The command itself, with all it imports."""
    module, _, attribute = _COMMANDS[name][0].partition(":")
    command: click.Command = getattr(importlib.import_module(f"app.cli.{module}"), attribute)
    return command


def _exit_code(error: Exception) -> int | None:
    """1 when the server said no, 2 for usage and environment, None for a fault of ours. By name, so
    that no command imports what only others can raise."""
    names = {f"{c.__module__.partition('.')[0]}.{c.__name__}" for c in type(error).__mro__}
    ours = {f"app.{name}" for name in ("EmbeddedError", "SettingsError", "Unavailable", "Invalid")}
    if isinstance(error, OSError) or not names.isdisjoint(ours | {"asyncpg.PostgresError"}):
        return 2
    if isinstance(error, RuntimeError) and "home directory" in str(
        error
    ):  # pathlib's, without HOME
        return 2
    return 1 if "app.AppError" in names else None


def _is_homeless(error: Exception) -> bool:
    """Of pathlib, for a user without HOME and without an entry in the user database."""
    return isinstance(error, RuntimeError) and "home directory" in str(error)


def _message(error: Exception) -> str:
    if _is_homeless(error):
        return "this user has no home folder; set HOME"
    details = ", ".join(f"{e.path}: {e.message}" for e in getattr(error, "errors", ()))
    return f"{str(error) or type(error).__name__}{f' ({details})' if details else ''}"


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(app.__version__, prog_name="agent-sessions")
def commands() -> None:
    """The server where your AI coding agents keep their sessions."""
