"""Hook events of Claude Code, as it documents them; Codex sends the same shapes.

They carry neither a time nor a number, so they are ordered by arrival. Events read from a
transcript carry its `timestamp`.
"""

import re
from functools import partial
from typing import Any

from app.contexts.hooks.parsing import (
    Event,
    Handler,
    as_text,
    call_of,
    external_id,
    keep,
    main_argument,
    milliseconds,
    module_of,
    notification,
    permission_wait,
    session_end,
    session_start,
    texts,
    told,
    tool_result,
    without,
)
from app.schemas.hooks import Closing, Observation, Step
from app.schemas.sessions import ResultInput

# Fields with a place of their own; all others are kept in `metadata.event`.
_COMMON = frozenset(
    "session_id transcript_path cwd hook_event_name prompt_id turn_id permission_mode effort model "
    "agent_id agent_type source timestamp".split()
)
_TOOL = _COMMON | frozenset(
    "tool_name tool_input tool_use_id tool_response tool_calls error is_interrupt "
    "duration_ms corrects".split()
)
_PROMPT = _COMMON | frozenset(
    "prompt last_assistant_message stop_hook_active background_tasks session_crons error".split()
)
# The id of a prompt in Claude Code and in Codex; older versions send none.
_PROMPT_IDS = ("prompt_id", "turn_id")
_EXIT_CODE = re.compile(r"Exit code (-?[0-9]{1,9})\b")
_NOTIFICATION = "<task-notification>"


def translate(event: Event) -> Observation | None:
    """Return None for an event without a session id, which belongs to no session."""
    session_id = external_id(event.get("session_id"))
    if session_id is None:
        return None
    seen = Observation(
        external_id=session_id,
        agent="claude_code",
        state=texts(event, "cwd", "transcript_path") | _model(event),
        agent_id=event["agent_id"] if isinstance(event.get("agent_id"), str) else None,
    )
    return told(event, seen, _HANDLERS)


def _model(event: Event) -> dict[str, str]:
    """Read the model; names such as `<synthetic>` are the harness's own."""
    model = as_text(event.get("model"))
    return {} if not model or model.startswith("<") else {"model": model}


def _user_prompt(event: Event, seen: Observation) -> None:
    prompt = as_text(event.get("prompt"))
    module = "TaskNotification" if prompt.startswith(_NOTIFICATION) else "UserPrompt"
    if module == "UserPrompt":
        seen.title = prompt.strip().partition("\n")[0]
    seen.begins = seen.turn = True
    seen.steps = [
        Step(
            key=_prompt_key(event),
            module=module,
            command=prompt,
            metadata=_metadata(event, _PROMPT, "permission_mode", *_PROMPT_IDS),
        ),
        # A prompt that was queued has the id of the one before it, which goes on.
        Closing(reason="another prompt followed", spared_prompt=_prompt_id(event), if_new=True),
    ]


def _stop(event: Event, seen: Observation) -> None:
    _end_prompt(
        event, seen, ResultInput(status="ok", stdout=as_text(event.get("last_assistant_message")))
    )


def _stop_failure(event: Event, seen: Observation) -> None:
    message = as_text(event.get("last_assistant_message")) or as_text(event.get("error"))
    if seen.agent_id is not None:
        _other(event, seen)
        seen.steps.append(
            Closing(reason=message, status="error", agent_id=seen.agent_id, prompts=False)
        )
        return
    _end_prompt(
        event,
        seen,
        ResultInput(status="error", error_message=message, data={"error": event.get("error")}),
    )


def _end_prompt(event: Event, seen: Observation, result: ResultInput) -> None:
    """Several stops may end one prompt; the newest answer counts."""
    seen.turn = True
    seen.steps = [
        Step(
            key=_prompt_key(event),
            finds="newest",
            ends_all=True,
            module="UserPrompt",
            metadata=_metadata(event, _PROMPT, *_PROMPT_IDS),
            result=result,
            settles="always",
        ),
        Closing(reason="the turn ended before the result", prompts=False, prompt=_prompt_id(event)),
    ]


def _interrupt(event: Event, seen: Observation) -> None:
    seen.turn = True
    seen.steps = [Closing(reason="interrupted", prompt=_prompt_id(event))]


def _subagent_stop(event: Event, seen: Observation) -> None:
    _other(event, seen)
    seen.steps.append(
        Closing(reason="the subagent has ended", agent_id=seen.agent_id, prompts=False)
    )


def _pre_tool(event: Event, seen: Observation) -> None:
    seen.steps = [_tool_step(event)]


def _post_tool(event: Event, seen: Observation) -> None:
    duration = milliseconds(event.get("duration_ms"))
    step = _tool_step(event, tool_result(event.get("tool_response"), duration))
    if event.get("corrects") is True:
        step.settles = "corrects"
    seen.steps = [step]
    seen.calls = [call_of(event.get("tool_name"), event.get("tool_input"))]


def _post_tool_failure(event: Event, seen: Observation) -> None:
    error = as_text(event.get("error"))
    code = _EXIT_CODE.match(error)
    result = ResultInput(
        status="error",
        error_message=error,
        code=int(code[1]) if code else None,
        duration_ms=milliseconds(event.get("duration_ms")),
        data={"is_interrupt": True} if event.get("is_interrupt") is True else {},
    )
    seen.steps = [_tool_step(event, result)]
    seen.calls = [call_of(event.get("tool_name"), event.get("tool_input"))]


def _post_tool_batch(event: Event, seen: Observation) -> None:
    """Close the calls that got neither a result nor a failure: they were denied, or never ran."""
    calls = event.get("tool_calls")
    for call in calls if isinstance(calls, list) else []:
        if isinstance(call, dict) and isinstance(call.get("tool_use_id"), str):
            denial = as_text(call.get("tool_response")) or "denied or never ran"
            step = _tool_step(
                {**event, **call}, ResultInput(status="warning", error_message=denial)
            )
            step.settles = "if_open"
            seen.steps.append(step)
            seen.calls.append(call_of(call.get("tool_name"), call.get("tool_input")))


def _permission_request(event: Event, seen: Observation) -> None:
    seen.waiting = permission_wait(event.get("tool_name"), event.get("tool_input"))


def _other(event: Event, seen: Observation) -> None:
    keep(event, seen, event.get("hook_event_name"), **_subagent(event))


_HANDLERS: dict[str, Handler] = {
    "": _other,
    "SessionStart": partial(session_start, common=_COMMON),
    "SessionEnd": session_end,
    "UserPromptSubmit": _user_prompt,
    "Stop": _stop,
    "StopFailure": _stop_failure,
    "Interrupt": _interrupt,
    "SubagentStop": _subagent_stop,
    "PreToolUse": _pre_tool,
    "PostToolUse": _post_tool,
    "PostToolUseFailure": _post_tool_failure,
    "PostToolBatch": _post_tool_batch,
    "PermissionRequest": _permission_request,
    "Notification": notification,
}


def _tool_step(event: Event, result: ResultInput | None = None) -> Step:
    tool_input = event.get("tool_input")
    name = event.get("tool_use_id")
    metadata = _metadata(event, _TOOL, "permission_mode", *_PROMPT_IDS)
    return Step(
        key=f"tool:{name}" if isinstance(name, str) else None,
        module=module_of(event.get("tool_name")),
        command=main_argument(tool_input),
        metadata={**metadata, "tool_input": tool_input},
        result=result,
    )


def _metadata(event: Event, known: frozenset[str], *kept: str) -> dict[str, Any]:
    metadata = {name: event[name] for name in kept if name in event} | _subagent(event)
    unknown = without(event, known)
    return {**metadata, "event": unknown} if unknown else metadata


def _subagent(event: Event) -> dict[str, Any]:
    return {name: event[name] for name in ("agent_id", "agent_type") if name in event}


def _prompt_id(event: Event) -> str | None:
    values = (event.get(name) for name in _PROMPT_IDS)
    return next((value for value in values if isinstance(value, str)), None)


def _prompt_key(event: Event) -> str | None:
    """Older versions send no prompt ids."""
    name = _prompt_id(event)
    return None if name is None else f"prompt:{name}"
