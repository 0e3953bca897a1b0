"""Hook events of Gemini CLI, which carry a time but no id for a call or a prompt.

An end belongs to the oldest open call, or prompt, of the same content.
"""

import re
from functools import partial
from typing import Any

from app.contexts.hooks.parsing import (
    Event,
    Handler,
    as_mapping,
    as_text,
    call_of,
    external_id,
    fingerprint,
    keep,
    main_argument,
    module_of,
    notification,
    session_end,
    session_start,
    texts,
    told,
    tool_result,
    without,
)
from app.schemas.hooks import Closing, Observation, Step
from app.schemas.sessions import ResultInput

# The shell tool's output to the model when a command fails.
_EXIT_CODE = re.compile(r"^Exit Code: (-?[0-9]{1,9})$", re.MULTILINE)
_COMMON = frozenset("session_id transcript_path cwd hook_event_name timestamp source".split())
_TOOL = _COMMON | {"tool_name", "tool_input", "tool_response"}
_PROMPT = _COMMON | {"prompt", "prompt_response", "stop_hook_active"}


def translate(event: Event) -> Observation | None:
    session_id = external_id(event.get("session_id"))
    if session_id is None:
        return None
    seen = Observation(
        external_id=session_id,
        agent=None,
        state={"agent": "gemini", **texts(event, "cwd", "model", "transcript_path")},
    )
    return told(event, seen, _HANDLERS)


def _before_agent(event: Event, seen: Observation) -> None:
    seen.title = as_text(event.get("prompt")).strip().partition("\n")[0]
    seen.begins = seen.turn = True
    seen.steps = [_prompt(event), Closing(reason="another prompt followed", if_new=True)]


def _after_agent(event: Event, seen: Observation) -> None:
    answer = ResultInput(status="ok", stdout=as_text(event.get("prompt_response")))
    seen.turn = True
    seen.steps = [
        _prompt(event, answer),
        Closing(reason="the turn ended before the result", prompts=False),
    ]


def _before_tool(event: Event, seen: Observation) -> None:
    seen.steps = [_tool(event)]


def _after_tool(event: Event, seen: Observation) -> None:
    response = event.get("tool_response")
    result = tool_result(response, None)
    error = as_mapping(response).get("error")
    if error is not None:
        result.status = "error"
        result.error_message = as_text(as_mapping(error).get("message")) or as_text(error) or None
    failed = _EXIT_CODE.search(as_text(as_mapping(response).get("llmContent")))
    if failed is not None:
        result.code = int(failed[1])
        result.status = "error" if result.code else "ok"
    shown = as_mapping(response).get("returnDisplay")
    if result.stdout is None and isinstance(shown, str):
        result.stdout = shown
        result.data.pop("returnDisplay")
    seen.steps = [_tool(event, result)]
    seen.calls = [call_of(event.get("tool_name"), event.get("tool_input"))]


def _noise(_event: Event, _seen: Observation) -> None:
    """Drop what comes with every turn and tells nothing of it."""


def _other(event: Event, seen: Observation) -> None:
    keep(event, seen, event.get("hook_event_name"))


_HANDLERS: dict[str, Handler] = {
    "": _other,
    "SessionStart": partial(session_start, common=_COMMON),
    "SessionEnd": session_end,
    "BeforeAgent": _before_agent,
    "AfterAgent": _after_agent,
    "BeforeTool": _before_tool,
    "AfterTool": _after_tool,
    "Notification": notification,
    "PreCompress": _noise,
    "BeforeModel": _noise,
    "AfterModel": _noise,
    "BeforeToolSelection": _noise,
}


def _prompt(event: Event, answer: ResultInput | None = None) -> Step:
    prompt = as_text(event.get("prompt"))
    return _step(event, "UserPrompt", prompt, [prompt], _metadata(event, _PROMPT), answer)


def _tool(event: Event, result: ResultInput | None = None) -> Step:
    tool_input = event.get("tool_input")
    module = module_of(event.get("tool_name"))
    metadata = {**_metadata(event, _TOOL), "tool_input": tool_input}
    return _step(event, module, main_argument(tool_input), [module, tool_input], metadata, result)


def _step(
    event: Event,
    module: str,
    command: str,
    content: list[Any],
    metadata: dict[str, Any],
    result: ResultInput | None,
) -> Step:
    """`began_at` and `ended_at` are the agent's times, which distinguish a late beginning from a
    new one."""
    at = "began_at" if result is None else "ended_at"
    happened = {at: event["timestamp"]} if isinstance(event.get("timestamp"), str) else {}
    name = [event.get("hook_event_name"), event.get("timestamp"), *content]
    return Step(
        replay=f"gemini:{fingerprint(name)}",
        exact=True,
        module=module,
        command=command,
        metadata={**metadata, **happened},
        result=result,
    )


def _metadata(event: Event, known: frozenset[str]) -> dict[str, Any]:
    unknown = without(event, known)
    return {"event": unknown} if unknown else {}
