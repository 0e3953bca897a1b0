"""The hook events of Claude Code, as it documents them.

They carry neither a time nor a number: their order is the order of arrival.
"""

import hashlib
import re
from collections.abc import Callable
from typing import Any

import msgspec

from app.schemas.hooks import Observation, Step, Waiting
from app.schemas.sessions import ResultInput, ResultStatus

Event = dict[str, Any]

# Fields with a place of their own; all others are kept in `metadata.event`.
_COMMON = frozenset(
    "session_id transcript_path cwd hook_event_name prompt_id permission_mode effort model "
    "agent_id agent_type source".split()
)
_TOOL = _COMMON | frozenset(
    "tool_name tool_input tool_use_id tool_response error is_interrupt duration_ms".split()
)
_PROMPT = _COMMON | frozenset(
    "prompt last_assistant_message stop_hook_active background_tasks session_crons error".split()
)
# The one argument that says what a tool does, by order of preference.
_MAIN_ARGUMENTS = (
    "command",
    "file_path",
    "notebook_path",
    "path",
    "pattern",
    "url",
    "query",
    "prompt",
    "description",
)
_EXIT_CODE = re.compile(r"Exit code (-?[0-9]{1,9})\b")
_NOTIFICATION = "<task-notification>"
_MAX_EXTERNAL_ID = 200
_MAX_MODULE = 200


def translate(event: Event) -> Observation | None:
    """None for an event without a session id: it belongs to nothing we know."""
    session_id = event.get("session_id")
    if not isinstance(session_id, str) or not 0 < len(session_id) <= _MAX_EXTERNAL_ID:
        return None
    seen = Observation(external_id=session_id, agent="claude_code", state=_state(event))
    name = event.get("hook_event_name")
    handler = _HANDLERS.get(name) if isinstance(name, str) else None
    (handler or _other)(event, seen)
    return seen


def _state(event: Event) -> dict[str, Any]:
    """Only text, so that a merge never deletes what an earlier event told."""
    names = ("cwd", "model", "transcript_path")
    return {name: event[name] for name in names if isinstance(event.get(name), str)}


def _session_start(event: Event, seen: Observation) -> None:
    if isinstance(event.get("source"), str):
        seen.state["source"] = event["source"]
    rest = _unknown(event, _COMMON)
    if rest:
        seen.state["start"] = rest


def _session_end(event: Event, seen: Observation) -> None:
    seen.ended = _text(event.get("reason")) or "ended"


def _user_prompt(event: Event, seen: Observation) -> None:
    prompt = _text(event.get("prompt"))
    module = "TaskNotification" if prompt.startswith(_NOTIFICATION) else "UserPrompt"
    if module == "UserPrompt":
        seen.title = prompt.strip().partition("\n")[0]
    seen.steps = [
        Step(
            key=_prompt_key(event),
            module=module,
            command=prompt,
            metadata=_metadata(event, _PROMPT, "permission_mode", "prompt_id"),
        )
    ]


def _stop(event: Event, seen: Observation) -> None:
    _end_prompt(
        event, seen, ResultInput(status="ok", stdout=_text(event.get("last_assistant_message")))
    )


def _stop_failure(event: Event, seen: Observation) -> None:
    message = _text(event.get("last_assistant_message")) or _text(event.get("error"))
    _end_prompt(
        event,
        seen,
        ResultInput(status="error", error_message=message, data={"error": event.get("error")}),
    )


def _end_prompt(event: Event, seen: Observation, result: ResultInput) -> None:
    """Several stops may end one prompt; the newest answer is the one that counts."""
    seen.steps = [
        Step(
            key=_prompt_key(event),
            module="UserPrompt",
            metadata=_metadata(event, _PROMPT, "prompt_id"),
            result=result,
            settles="always",
            newest_open=not isinstance(event.get("prompt_id"), str),
        )
    ]


def _pre_tool(event: Event, seen: Observation) -> None:
    seen.steps = [_tool_step(event)]


def _post_tool(event: Event, seen: Observation) -> None:
    response = event.get("tool_response")
    seen.steps = [_tool_step(event, _tool_result(response, event))]


def _post_tool_failure(event: Event, seen: Observation) -> None:
    error = _text(event.get("error"))
    code = _EXIT_CODE.match(error)
    result = ResultInput(
        status="error",
        error_message=error,
        code=int(code[1]) if code else None,
        duration_ms=_duration(event),
        data={"is_interrupt": True} if event.get("is_interrupt") is True else {},
    )
    seen.steps = [_tool_step(event, result)]


def _post_tool_batch(event: Event, seen: Observation) -> None:
    """Closes what got neither a result nor a failure: it was denied, or never ran."""
    calls = event.get("tool_calls")
    for call in calls if isinstance(calls, list) else []:
        if isinstance(call, dict) and isinstance(call.get("tool_use_id"), str):
            denial = _text(call.get("tool_response")) or "denied or never ran"
            step = _tool_step(
                {**event, **call}, ResultInput(status="warning", error_message=denial)
            )
            step.settles = "if_open"
            seen.steps.append(step)


def _permission_request(event: Event, seen: Observation) -> None:
    tool = _text(event.get("tool_name"))
    argument = _main_argument(event.get("tool_input"))
    seen.waiting = Waiting(
        kind="permission_request", message=f"{tool}: {argument}" if argument else tool
    )


def _notification(event: Event, seen: Observation) -> None:
    seen.waiting = Waiting(
        kind=_text(event.get("notification_type")) or "notification",
        message=_text(event.get("message")),
    )


def _other(event: Event, seen: Observation) -> None:
    """Keyed by its whole content, so that an event sent twice is stored once."""
    name = event.get("hook_event_name")
    seen.steps = [
        Step(
            key=f"event:{_fingerprint(event)}",
            module="Event",
            command=name if isinstance(name, str) else "",
            metadata={**_subagent(event), "event": event},
            result=ResultInput(status="ok"),
        )
    ]


_HANDLERS: dict[str, Callable[[Event, Observation], None]] = {
    "SessionStart": _session_start,
    "SessionEnd": _session_end,
    "UserPromptSubmit": _user_prompt,
    "Stop": _stop,
    "StopFailure": _stop_failure,
    "PreToolUse": _pre_tool,
    "PostToolUse": _post_tool,
    "PostToolUseFailure": _post_tool_failure,
    "PostToolBatch": _post_tool_batch,
    "PermissionRequest": _permission_request,
    "Notification": _notification,
}


def _tool_step(event: Event, result: ResultInput | None = None) -> Step:
    tool_input = event.get("tool_input")
    key = event.get("tool_use_id")
    if not isinstance(key, str):
        key = _fingerprint([event.get("tool_name"), tool_input])
    metadata = _metadata(event, _TOOL | {"tool_calls"}, "permission_mode", "prompt_id")
    return Step(
        key=f"tool:{key}",
        module=_text(event.get("tool_name"))[:_MAX_MODULE] or "Tool",
        command=_main_argument(tool_input),
        metadata={**metadata, "tool_input": tool_input},
        result=result,
    )


def _tool_result(response: Any, event: Event) -> ResultInput:
    """The output streams where the tool has them, the whole response otherwise."""
    result = ResultInput(status="ok", duration_ms=_duration(event))
    if isinstance(response, str):
        result.stdout = response
    elif isinstance(response, dict):
        rest = dict(response)
        if isinstance(response.get("stdout"), str):
            result.stdout = rest.pop("stdout")
        if isinstance(response.get("stderr"), str):
            result.stderr = rest.pop("stderr")
        result.data = rest
        result.status = _response_status(response)
    elif response is not None:
        result.data = {"tool_response": response}
    return result


def _response_status(response: dict[str, Any]) -> ResultStatus:
    if response.get("is_error") is True or response.get("success") is False:
        return "error"
    return "warning" if response.get("interrupted") is True else "ok"


def _metadata(event: Event, known: frozenset[str], *kept: str) -> dict[str, Any]:
    metadata = {name: event[name] for name in kept if name in event} | _subagent(event)
    unknown = _unknown(event, known)
    return {**metadata, "event": unknown} if unknown else metadata


def _subagent(event: Event) -> dict[str, Any]:
    return {name: event[name] for name in ("agent_id", "agent_type") if name in event}


def _unknown(event: Event, known: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name not in known}


def _prompt_key(event: Event) -> str:
    """Older versions have no prompt ids: there the event itself has to do."""
    prompt_id = event.get("prompt_id")
    return f"prompt:{prompt_id if isinstance(prompt_id, str) else _fingerprint(event)}"


def _fingerprint(value: Any) -> str:
    return hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()


def _main_argument(tool_input: Any) -> str:
    if not isinstance(tool_input, dict):
        return ""
    values = (tool_input.get(name) for name in _MAIN_ARGUMENTS)
    return next((value for value in values if isinstance(value, str)), "")


def _duration(event: Event) -> int | None:
    value = event.get("duration_ms")
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if 0 <= value <= 2**53 else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
