"""Calls into a session type, which may come from another package: its faults are 502s."""

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from app.contexts.sessions.types.definition import (
    Handled,
    SessionType,
    Step,
    StepCommand,
    StepContext,
)
from app.errors import Invalid, SessionTypeFailed
from app.schemas.sessions import ResultInput, ResultStatus

Answer = TypeVar("Answer")


def next_step(session_type: SessionType, last: str, status: ResultStatus) -> Step | None:
    """Raises SessionTypeFailed when the type no longer has the step."""
    return _ask(session_type, last, lambda: session_type.after(last, status))


def build_command(session_type: SessionType, step: Step, context: StepContext) -> StepCommand:
    """Raises SessionTypeFailed; Invalid for the project's toolchain."""

    def ask() -> StepCommand:
        command = step.command(context)
        if not isinstance(command, StepCommand):
            raise TypeError(f"command returned a {type(command).__name__}")
        return _storable(command, StepCommand)

    return _ask(session_type, step.name, ask)


def handle_result(
    session_type: SessionType, name: str, context: StepContext, result: ResultInput
) -> Handled:
    """Let the step judge a result; a step without `handle_result` leaves it as it is. Raises as
    `build_command` does."""
    step = next((step for step in session_type.steps if step.name == name), None)

    def ask() -> Handled:
        if step is None:
            raise LookupError(f"no step {name}")
        if step.handle_result is None:
            return {}, result
        answer: Any = step.handle_result(context, result)
        if not (isinstance(answer, tuple) and len(answer) == 2):
            raise TypeError(f"handle_result returned a {type(answer).__name__}")
        return _storable(answer, tuple[dict[str, Any], ResultInput])

    return _ask(session_type, name, ask)


def _ask(session_type: SessionType, step: str, question: Callable[[], Answer]) -> Answer:
    try:
        return question()
    except Invalid:
        raise  # the project's settings are at fault, not the type
    except (Exception, SystemExit) as error:
        raise SessionTypeFailed(
            f"The session type {session_type.name} failed in its step {step}: "
            f"{type(error).__name__}."
        ) from error


def _storable(value: Any, schema: type[Answer]) -> Answer:
    """Convert a value to JSON and back, so that only what JSON and PostgreSQL can hold passes."""
    encoded = msgspec.json.encode(value)
    if b"\\u0000" in encoded:
        raise ValueError("NUL characters cannot be stored")
    return msgspec.json.decode(encoded, type=schema)
