"""Parsers for fields of hook events, whose types no agent guarantees."""

import datetime
import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from app.schemas.hooks import Closing, Observation, Step, Waiting
from app.schemas.sessions import ResultInput, ResultStatus

Event = dict[str, Any]
Handler = Callable[[Event, Observation], None]

MAX_EXTERNAL_ID = 200
_MAX_MODULE = 200
# The argument that says what a tool does, by preference. Agents use snake_case and camelCase.
_MAIN_ARGUMENTS = (
    *("command", "cmd", "file_path", "filePath", "notebook_path", "absolute_path", "path"),
    *("dir_path", "pattern", "url", "query", "prompt", "description"),
)
_INT32 = range(-(2**31), 2**31)


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def as_mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def external_id(value: Any) -> str | None:
    """Read the id of a conversation; None for anything that cannot be one."""
    return value if isinstance(value, str) and 0 < len(value) <= MAX_EXTERNAL_ID else None


def told(event: Event, seen: Observation, handlers: Mapping[str, Handler]) -> Observation:
    """Let the event's handler, or that of `""` for unknown events, describe it; steps take the
    agent's own time where the event has one."""
    name = as_text(event.get("hook_event_name"))
    handlers.get(name, handlers[""])(event, seen)
    at = moment(event.get("timestamp"))
    replay = fingerprint(event)
    for step in seen.steps:
        if isinstance(step, Step):
            step.at = at
            # Events that tell no time can be equal without being the same.
            step.replay, step.exact = step.replay or replay, step.exact or at is not None
    seen.parent_external_id = external_id(event.get("parent_session_id"))
    return seen


def moment(value: Any) -> datetime.datetime | None:
    """Read an RFC 3339 time in UTC; None for anything else, and for a year outside 1–9999."""
    try:
        parsed = msgspec.convert(value, datetime.datetime)
        return None if parsed.tzinfo is None else parsed.astimezone(datetime.UTC)
    except (msgspec.ValidationError, OverflowError):
        return None


def fingerprint(value: Any) -> str:
    return hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()


def texts(event: Event, *names: str) -> dict[str, Any]:
    """Pick the fields that are text, so that a null never deletes what an earlier event told."""
    return {name: event[name] for name in names if isinstance(event.get(name), str)}


def without(event: Event, known: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name not in known}


def module_of(tool: Any) -> str:
    return as_text(tool)[:_MAX_MODULE] or "Tool"


def main_argument(tool_input: Any) -> str:
    values = (as_mapping(tool_input).get(name) for name in _MAIN_ARGUMENTS)
    for value in values:
        if isinstance(value, str):
            return value
        if isinstance(value, list) and all(isinstance(part, str) for part in value):
            return " ".join(value)
    return ""


def milliseconds(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if 0 <= value <= 2**53 else None


def exit_code(value: Any) -> int | None:
    number = isinstance(value, int) and not isinstance(value, bool)
    return value if number and value in _INT32 else None


def tool_result(response: Any, duration_ms: int | None) -> ResultInput:
    """Build a result from the output streams, where the tool has them, else the whole response."""
    result = ResultInput(status="ok", duration_ms=duration_ms)
    if isinstance(response, str):
        result.stdout = response
    elif (written := _written(response)) is not None:
        result.stdout = written
    elif isinstance(response, dict):
        rest = dict(response)
        if (written := _written(response.get("content"))) is not None:
            result.stdout = written
            del rest["content"]
        if isinstance(response.get("stdout"), str):
            result.stdout = rest.pop("stdout")
        if isinstance(response.get("stderr"), str):
            result.stderr = rest.pop("stderr")
        result.code = exit_code(response.get("exit_code"))
        result.data = rest
        result.status = _status(response, result.code)
    elif response is not None:
        result.data = {"tool_response": response}
    return result


def _written(content: Any) -> str | None:
    """Join the text of MCP content blocks; None for anything that is not text alone."""
    if not isinstance(content, list) or not content:
        return None
    blocks = [as_mapping(block) for block in content]
    if any(block.get("type") != "text" for block in blocks):
        return None
    return "\n".join(as_text(block.get("text")) for block in blocks)


def _status(response: dict[str, Any], code: int | None) -> ResultStatus:
    failed = response.get("is_error") is True or response.get("isError") is True
    if code or failed or response.get("success") is False:
        return "error"
    return "warning" if response.get("interrupted") is True else "ok"


def permission_wait(tool: Any, tool_input: Any) -> Waiting:
    argument = main_argument(tool_input)
    name = as_text(tool)
    return Waiting(
        kind="permission_request",
        message=f"{name}: {argument}" if argument else name,
        call=call_of(tool, tool_input),
    )


def call_of(tool: Any, tool_input: Any) -> str:
    """Identify a tool call by what is called with what."""
    return fingerprint([tool, tool_input])


def notification(event: Event, seen: Observation) -> None:
    seen.waiting = Waiting(
        kind=as_text(event.get("notification_type")) or "notification",
        message=as_text(event.get("message")),
    )


def keep(event: Event, seen: Observation, name: Any, **metadata: Any) -> None:
    """Keep an event without a meaning of its own. Its content is its key: sent twice, it is stored
    once."""
    seen.steps = [
        Step(
            replay=f"event:{fingerprint(event)}",
            module="Event",
            command=as_text(name),
            metadata={**metadata, "event": event},
            result=ResultInput(status="ok"),
        )
    ]


def session_start(event: Event, seen: Observation, *, common: frozenset[str]) -> None:
    """Keep the fields that are not `common` to all events of the agent as they came.

    An agent that starts anew has lost what it left open; compaction happens within a turn.
    """
    seen.begins = True
    if event.get("source") != "compact":
        seen.turn = True
        seen.steps = [Closing(reason="the agent was started anew", everyone=True)]
    seen.state |= texts(event, "source")
    rest = without(event, common)
    if rest:
        seen.state["start"] = rest


def session_end(event: Event, seen: Observation) -> None:
    seen.ended = as_text(event.get("reason")) or "ended"
