"""`run`: runs a session's commands on this machine until the session has ended.

The result of a command is on disk before it is posted; if the process is killed in between, the
next run posts it. A command that is interrupted stays pending, and nothing is posted.
"""

import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import click

from app.cli.client import Refused, post_patiently, require_credentials
from app.cli.execution import execute
from app.cli.kept_results import KeptResult, find_kept
from app.cli.output import ROW_ID, json_option, json_text
from app.cli.progress import Progress, say, visible

INTERRUPTED = 130
PROMPT_LINES = 20


@click.command()
@click.argument("session_id", type=ROW_ID)
@click.option("--yes", is_flag=True, help="Run every command without asking.")
@click.option(
    "--cwd",
    "folder",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=Path(),
    help="Folder to run the commands in.  [default: the current one]",
)
@json_option
def run(session_id: int, folder: Path, *, yes: bool, as_json: bool) -> None:
    """Run a session's commands on this machine, one after the other.

    Exits 0 when the session is complete, 1 when it has failed, 130 when interrupted: the command
    then stays pending. The commands come from the server and run with your permissions.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        status = Runner(session_id, folder, yes=yes, as_json=as_json).run()
    except KeyboardInterrupt:
        say("\nstopped; run the session again to resume here")
        sys.exit(INTERRUPTED)
    sys.exit(0 if status == "complete" else 1)


class Runner:
    def __init__(self, session_id: int, folder: Path, *, yes: bool, as_json: bool) -> None:
        self._session_id = session_id
        self._path = f"/api/sessions/{session_id}"
        self._folder = folder
        self._yes = yes
        self._as_json = as_json

    def run(self) -> str:
        """Returns the status the session ended with. Raises Refused, and Abort when a person
        declines a command."""
        status = self._post_kept()
        while status == "active":
            response = post_patiently(f"{self._path}/next-command")
            if response.code == "session_ended":
                status = response.json()["session_status"]
                self._print({"session_status": status})
                break
            if not response.is_success:
                raise Refused(response.reason)
            status = self._carry_out(response.json())
        say(f"session {self._session_id} is {status}")
        return status

    def _post_kept(self) -> str:
        status = "active"
        for kept in find_kept(require_credentials().url, self._session_id):
            if self._yes or click.confirm(
                f"The result of {kept.step} was not posted. Post it now?", default=True, err=True
            ):
                status = self._post(kept)
            kept.discard()
        return status

    def _carry_out(self, interaction: dict[str, Any]) -> str:
        step, command = interaction["step_name"], interaction["command"]
        say(f"▶ {step}  (attempt {command['metadata'].get('attempt', 1)})")
        say(visible(command["command"]) or "nothing to run", prefix="  $ ")
        lines = visible(command["pipe"] or "").splitlines()
        say("\n".join(lines[:PROMPT_LINES]), prefix="  < ")
        if len(lines) > PROMPT_LINES:
            say(f"  < … {len(lines) - PROMPT_LINES} more lines")
        if not self._yes:
            click.confirm("Run it?", default=True, abort=True, err=True)
        kept = KeptResult(
            url=require_credentials().url,
            session_id=self._session_id,
            interaction_id=interaction["id"],
            step=step,
            result=self._execute(step, command),
        )
        kept.save()
        status = self._post(kept)
        kept.discard()
        return status

    def _execute(self, step: str, command: dict[str, Any]) -> dict[str, int | str]:
        if not command["command"]:
            return {"status": "ok", "duration_ms": 0}
        with Progress(step, streams=not self._as_json) as progress:
            done = execute(command["command"], command["pipe"], self._folder, progress.show)
        return {"status": "ok" if done.code == 0 else "error", **done._asdict()}

    def _post(self, kept: KeptResult) -> str:
        """Returns the session's status. When another process has posted a result first, that one
        stands."""
        path = f"{self._path}/interactions/{kept.interaction_id}/result"
        response = post_patiently(path, json=kept.result)
        if response.code in {"already_completed", "not_found"}:
            say(f"{kept.step}: {response.reason} This result is dropped.")
            return "active"
        if not response.is_success:
            raise Refused(f"{response.reason} The result is kept in {kept.path}")
        answer = response.json()
        self._print(answer)
        result = answer["interaction"]["result"]
        details = [result["status"], f"exit code {result['code']}", result["error_message"]]
        say("  " + ", ".join(d for d in details if d and d != "exit code None"))
        status: str = answer["session_status"]
        return status

    def _print(self, document: dict[str, Any]) -> None:
        if self._as_json:
            click.echo(json_text(document))


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
