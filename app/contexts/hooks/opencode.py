"""Events that a plugin of OpenCode sees; only the shape of the body tells which event it is.

`{type, properties}` comes from the event bus, `{input, output}` from the hooks around a message or
a tool call, distinguished by their fields. Anything else belongs to no session.
"""

from collections.abc import Callable
from typing import Any

from app.contexts.hooks.parsing import (
    Event,
    as_mapping,
    as_text,
    call_of,
    exit_code,
    external_id,
    fingerprint,
    keep,
    main_argument,
    module_of,
    tool_result,
)
from app.schemas.hooks import Closing, Observation, Step, Waiting
from app.schemas.sessions import ResultInput

# A part of a text that streams; `message.part.updated` brings all of it.
_STREAMED = "message.part.delta"
# They repeat with every turn, or tell nothing of a session's work.
_NOISE = frozenset(
    "message.removed message.part.removed session.status session.diff "
    "session.compacted plugin.added integration.updated reference.updated file.watcher.updated "
    "lsp.client.diagnostics todo.updated permission.replied".split()
)


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
    seen = None if name == _STREAMED else _observation(session_id)
    if seen is None:
        return None
    if name.startswith("session.") and info:
        _session_info(info, seen)
    handler = _BUS.get(name)
    if handler is not None:
        handler(event, properties, seen)
    elif name not in _NOISE:
        keep(event, seen, name)
    return seen


def _created(_event: Event, properties: dict[str, Any], seen: Observation) -> None:
    seen.begins = True
    seen.state["start"] = as_mapping(properties.get("info"))


def _idle(event: Event, _properties: dict[str, Any], seen: Observation) -> None:
    _end_prompt(event, ResultInput(status="ok"), seen)


def _failed(event: Event, properties: dict[str, Any], seen: Observation) -> None:
    _end_prompt(event, _error(properties.get("error")), seen)


def _ended(event: Event, properties: dict[str, Any], seen: Observation) -> None:
    seen.ended = as_text(properties.get("reason")) or event["type"].partition(".")[2]


def _asked(_event: Event, properties: dict[str, Any], seen: Observation) -> None:
    message = as_text(properties.get("title")) or as_text(properties.get("permission"))
    seen.waiting = Waiting(kind="permission_request", message=message)


def _message_updated(_event: Event, properties: dict[str, Any], seen: Observation) -> None:
    info = as_mapping(properties.get("info"))
    _model(info.get("modelID") or as_mapping(info.get("model")).get("modelID"), seen)


def _part_updated(_event: Event, properties: dict[str, Any], seen: Observation) -> None:
    _part(as_mapping(properties.get("part")), seen)


def _described(_event: Event, _properties: dict[str, Any], _seen: Observation) -> None:
    """Take from a session's description what `_session_info` does."""


_BUS: dict[str, Callable[[Event, dict[str, Any], Observation], None]] = {
    "session.created": _created,
    "session.updated": _described,
    "session.idle": _idle,
    "session.error": _failed,
    "session.deleted": _ended,
    "session.ended": _ended,
    "permission.asked": _asked,
    "permission.updated": _asked,
    "message.updated": _message_updated,
    "message.part.updated": _part_updated,
}


def _session_info(info: dict[str, Any], seen: Observation) -> None:
    if isinstance(info.get("directory"), str):
        seen.state["cwd"] = info["directory"]
    seen.parent_external_id = external_id(info.get("parentID"))
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
    seen.begins = seen.turn = True
    _model(as_mapping(message.get("model")).get("modelID"), seen)
    identity = as_text(message.get("id"))
    seen.steps = [
        Step(
            key=f"message:{identity}" if identity else None,
            replay=f"message:{fingerprint(output)}",
            module="UserPrompt",
            command=prompt,
            metadata={"message_id": identity, "event": output},
        )
    ]


def _part(part: dict[str, Any], seen: Observation) -> None:
    """The parts of an assistant's message: its answer as far as it goes, and its tool calls.

    A text part of the prompt itself is recognised by the message it belongs to.
    """
    if part.get("type") == "text" and isinstance(part.get("text"), str):
        seen.steps = [
            Step(
                module="UserPrompt",
                finds="newest",
                metadata={"answer": part["text"], "answer_of": as_text(part.get("messageID"))},
                creates=False,
            )
        ]
    elif part.get("type") == "tool" and isinstance(part.get("callID"), str):
        state = as_mapping(part.get("state"))
        arguments = state.get("input")
        result = None
        if state.get("status") == "error":
            message = as_text(state.get("error")) or "error"
            result = ResultInput(status="error", error_message=message)
        elif state.get("status") == "completed":
            result = _tool_result(state)
        elif not arguments:
            return
        _call(part["callID"], part.get("tool"), arguments, result, seen)


def _error(error: Any) -> ResultInput:
    details = as_mapping(error)
    message = as_text(as_mapping(details.get("data")).get("message")) or as_text(
        details.get("name")
    )
    return ResultInput(status="error", error_message=message or "error", data={"error": error})


def _end_prompt(event: Event, result: ResultInput, seen: Observation) -> None:
    """End the newest open prompt, if there is one: the bus names no message."""
    seen.turn = True
    identity = as_text(event.get("id"))
    seen.steps = [
        Step(
            replay=f"bus:{identity}",
            exact=bool(identity),
            finds="newest",
            module="UserPrompt",
            result=result,
            creates=False,
        ),
        Closing(reason="the turn ended before the result", prompts=False),
    ]


def _tool(hook_input: dict[str, Any], output: dict[str, Any], seen: Observation) -> None:
    """OpenCode puts a call's arguments into the output before it, and into the input after it."""
    finished = "args" in hook_input or "output" in output or "title" in output
    arguments = hook_input.get("args") if finished else output.get("args")
    result = _tool_result(output) if finished else None
    _call(hook_input["callID"], hook_input.get("tool"), arguments, result, seen)


def _tool_result(output: dict[str, Any]) -> ResultInput:
    metadata = as_mapping(output.get("metadata"))
    result = tool_result(output.get("output"), None)
    kept = {name: value for name, value in output.items() if name in {"title", "metadata"}}
    result.data |= kept
    result.code = exit_code(metadata.get("exit"))
    result.status = "error" if result.code else "ok"
    return result


def _call(
    call_id: str, tool: Any, arguments: Any, result: ResultInput | None, seen: Observation
) -> None:
    if result is not None:
        seen.calls = [call_of(tool, arguments)]
    seen.steps = [
        Step(
            key=f"tool:{call_id}",
            module=module_of(tool),
            command=main_argument(arguments),
            metadata={"tool_input": arguments},
            result=result,
        )
    ]
