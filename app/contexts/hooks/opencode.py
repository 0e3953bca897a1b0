"""Events that a plugin of OpenCode sees; only the shape of the body tells which event it is.

`{type, properties}` comes from the event bus, `{input, output}` from the hooks around a message or
a tool call, distinguished by their fields. Anything else belongs to no session.
"""

from typing import Any

from app.contexts.hooks.parsing import (
    Event,
    as_mapping,
    as_text,
    exit_code,
    external_id,
    fingerprint,
    keep,
    main_argument,
    module_of,
    tool_result,
)
from app.schemas.hooks import Observation, Step, Waiting
from app.schemas.sessions import ResultInput

# A part of a text that streams; `message.part.updated` brings all of it.
_STREAMED = frozenset({"message.part.delta"})


def translate(event: Event) -> Observation | None:
    if isinstance(event.get("type"), str):
        return _from_bus(event, event["type"])
    hook_input = as_mapping(event.get("input"))
    seen = _observation(hook_input.get("sessionID"))
    if seen is None:
        return None
    output = as_mapping(event.get("output"))
    if isinstance(hook_input.get("callID"), str):
        _tool(hook_input, output, seen)
    elif isinstance(output.get("message"), dict):
        _message(output, seen)
    else:
        keep(event, seen, "")
    return seen


def _observation(session_id: Any) -> Observation | None:
    found = external_id(session_id)
    if found is None:
        return None
    return Observation(external_id=found, agent=None, state={"agent": "opencode"})


def _from_bus(event: Event, name: str) -> Observation | None:
    properties = as_mapping(event.get("properties"))
    info = as_mapping(properties.get("info"))
    session_id = properties.get("sessionID") or info.get("sessionID")
    if session_id is None and name.startswith("session."):
        session_id = info.get("id")
    seen = None if name in _STREAMED else _observation(session_id)
    if seen is None:
        return None
    if name.startswith("session.") and info:
        _session_info(info, seen)
    match name:
        case "session.created":
            seen.state["start"] = info
        case "session.idle":
            _end_prompt(event, ResultInput(status="ok"), seen)
        case "session.error":
            error = properties.get("error")
            message = as_text(as_mapping(as_mapping(error).get("data")).get("message"))
            name = as_text(as_mapping(error).get("name"))
            result = ResultInput(status="error", error_message=message or name or "error")
            result.data = {"error": error}
            _end_prompt(event, result, seen)
        case "session.deleted":
            seen.ended = "deleted"
        case "permission.asked" | "permission.updated":
            message = as_text(properties.get("title")) or as_text(properties.get("permission"))
            seen.waiting = Waiting(kind="permission_request", message=message)
        case _:
            keep(event, seen, name)
    return seen


def _session_info(info: dict[str, Any], seen: Observation) -> None:
    if isinstance(info.get("directory"), str):
        seen.state["cwd"] = info["directory"]
    _model(as_mapping(info.get("model")).get("id"), seen)


def _model(name: Any, seen: Observation) -> None:
    if isinstance(name, str):
        seen.state["model"] = name


def _message(output: dict[str, Any], seen: Observation) -> None:
    message = as_mapping(output.get("message"))
    parts = output.get("parts")
    written = (as_mapping(part).get("text") for part in (parts if isinstance(parts, list) else []))
    prompt = "\n".join(part for part in written if isinstance(part, str))
    seen.title = prompt.strip().partition("\n")[0]
    _model(as_mapping(message.get("model")).get("modelID"), seen)
    seen.steps = [
        Step(
            key=f"message:{as_text(message.get('id')) or fingerprint(output)}",
            module="UserPrompt",
            command=prompt,
            metadata={"event": output},
        )
    ]


def _end_prompt(event: Event, result: ResultInput, seen: Observation) -> None:
    """End the newest open prompt, if there is one: the bus names no message."""
    seen.steps = [
        Step(
            key=f"bus:{as_text(event.get('id'))}",
            finds="newest",
            repeats=not as_text(event.get("id")),
            module="UserPrompt",
            result=result,
            creates=False,
        )
    ]


def _tool(hook_input: dict[str, Any], output: dict[str, Any], seen: Observation) -> None:
    """OpenCode puts a call's arguments into the output before it, and into the input after it."""
    finished = "args" in hook_input or "output" in output or "title" in output
    arguments = hook_input.get("args") if finished else output.get("args")
    result = None
    if finished:
        metadata = as_mapping(output.get("metadata"))
        result = tool_result(output.get("output"), None)
        result.data |= {name: value for name, value in output.items() if name != "output"}
        result.code = exit_code(metadata.get("exit"))
        result.status = "error" if result.code else "ok"
    seen.steps = [
        Step(
            key=f"tool:{hook_input['callID']}",
            module=module_of(hook_input.get("tool")),
            command=main_argument(arguments),
            metadata={"tool_input": arguments},
            result=result,
        )
    ]
