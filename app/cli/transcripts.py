"""What agents write down about a conversation, read as the hook events they would have sent.

The ids are the agents' own, so that the server recognises what a hook has told it before. Nobody
guarantees a field's type: what is compared may be unhashable.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

Line = dict[str, Any]
Event = dict[str, Any]

_COMMAND = re.compile(r"<command-name>(.*?)</command-name>", re.DOTALL)
_ARGUMENTS = re.compile(r"<command-args>(.*?)</command-args>", re.DOTALL)
_LOCAL_OUTPUT = re.compile(r"<local-command-stdout>(.*?)</local-command-stdout>", re.DOTALL)
_EXITED = re.compile(r"^Process exited with code (-?[0-9]{1,9})$", re.MULTILINE)
_SHELLS = ("exec_command", "shell", "local_shell", "shell_command")


def lines(text: Iterable[str]) -> Iterator[Line]:
    """What cannot be read is left out, such as the last line of a running agent, cut off."""
    for line in text:
        try:
            document = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(document, dict):
            yield document


def claude_code_events(transcript: Iterable[Line]) -> Iterator[Event]:
    """`user` and `assistant` lines; every other type is not the conversation's."""
    prompt_id: str | None = None
    for line in transcript:
        message = line.get("message")
        if line.get("type") not in ("user", "assistant") or not isinstance(message, dict):
            continue
        prompt = _prompt(line, message)
        # Older transcripts do not name their prompts: the line that asks then does.
        named = line.get("promptId") or (line.get("uuid") if prompt else None)
        prompt_id = named if isinstance(named, str) else prompt_id
        base = {
            "session_id": line.get("sessionId"),
            "cwd": line.get("cwd"),
            "timestamp": line.get("timestamp"),
        }
        if prompt_id is not None:
            base["prompt_id"] = prompt_id
        if line.get("agentId"):
            base["agent_id"] = line["agentId"]
        if line["type"] == "assistant":
            yield from _claude_answer(line, message, base)
        else:
            yield from (base | _claude_result(line, block) for block in _results(message))
            if prompt:
                yield base | _claude_question(prompt)


def codex_events(rollout: Iterable[Line]) -> Iterator[Event]:
    """The rollout's turns, prompts and calls; the rest is bookkeeping."""
    base: Event = {}
    for line in rollout:
        payload = line.get("payload")
        if not isinstance(payload, dict):
            continue
        base["timestamp"] = line.get("timestamp")
        if line.get("type") == "session_meta":
            base["session_id"] = payload.get("session_id") or payload.get("id")
            base["cwd"] = payload.get("cwd")
        elif line.get("type") == "turn_context":
            base |= {name: payload.get(name) for name in ("turn_id", "cwd", "model")}
        else:
            read = _CODEX.get(str(payload.get("type")))
            yield from ({**base, **event} for event in (read(payload) if read else ()))


READERS: dict[str, Callable[[Iterable[Line]], Iterator[Event]]] = {
    "claude-code": claude_code_events,
    "codex": codex_events,
}


def _prompt(line: Line, message: Line) -> str:
    """What somebody typed: not what the harness tells the model, or one agent asks of another."""
    if line["type"] != "user" or any(
        line.get(name) for name in ("isMeta", "isCompactSummary", "isSidechain")
    ):
        return ""
    content = message.get("content")
    return content if isinstance(content, str) else _joined(content)


def _results(message: Line) -> list[Line]:
    content = message.get("content")
    blocks = content if isinstance(content, list) else []
    return [b for b in blocks if isinstance(b, dict) and b.get("type") == "tool_result"]


def _claude_question(prompt: str) -> Event:
    output = _LOCAL_OUTPUT.search(prompt)
    if output is not None:
        return {"hook_event_name": "Stop", "last_assistant_message": output[1]}
    return {"hook_event_name": "UserPromptSubmit", "prompt": _typed(prompt)}


def _typed(prompt: str) -> str:
    """A slash command as it was typed, not as it is written down."""
    command = _COMMAND.search(prompt)
    if command is None:
        return prompt
    arguments = _ARGUMENTS.search(prompt)
    return f"{command[1]} {arguments[1] if arguments else ''}".strip()


def _claude_result(line: Line, block: Line) -> Event:
    content = block.get("content")
    text = content if isinstance(content, str) else _joined(content)
    call = {"tool_use_id": block.get("tool_use_id")}
    if block.get("is_error") is True:
        return call | {"hook_event_name": "PostToolUseFailure", "error": text}
    told = line.get("toolUseResult")
    response = told if isinstance(told, dict) else text
    return call | {"hook_event_name": "PostToolUse", "tool_response": response}


def _claude_answer(line: Line, message: Line, base: Event) -> Iterator[Event]:
    content = message.get("content")
    if isinstance(message.get("model"), str):
        base = base | {"model": message["model"]}
    for block in content if isinstance(content, list) else ():
        if isinstance(block, dict) and block.get("type") == "tool_use":
            yield base | {
                "hook_event_name": "PreToolUse",
                "tool_name": block.get("name"),
                "tool_input": block.get("input"),
                "tool_use_id": block.get("id"),
            }
    ended = message.get("stop_reason") in ("end_turn", "stop_sequence")
    if ended and "prompt_id" in base and not line.get("isSidechain"):
        yield base | {"hook_event_name": "Stop", "last_assistant_message": _joined(content)}


def _codex_message(payload: Line) -> Iterator[Event]:
    """Of the user's, only what the user wrote: the rest describes the environment."""
    if payload.get("role") == "user":
        prompt = _joined(payload.get("content"))
        if prompt and not prompt.startswith(("<environment_context>", "<user_instructions>")):
            turn = _codex_turn(payload)
            yield turn | {"hook_event_name": "UserPromptSubmit", "prompt": prompt}


def _codex_call(payload: Line) -> Iterator[Event]:
    tool_input = _codex_input(payload)
    name = payload.get("name")
    if name in _SHELLS:
        command = tool_input.get("cmd") or tool_input.get("command")
        name, tool_input = "Bash", {**tool_input, "command": command}
        tool_input.pop("cmd", None)
    yield _codex_turn(payload) | {
        "hook_event_name": "PreToolUse",
        "tool_name": name,
        "tool_input": tool_input,
        "tool_use_id": payload.get("call_id"),
    }


def _codex_input(payload: Line) -> Event:
    try:
        tool_input = json.loads(payload.get("arguments") or payload.get("input") or "{}")
    except (TypeError, ValueError, RecursionError):
        tool_input = None
    if isinstance(tool_input, dict):
        return tool_input
    return {"input": payload.get("arguments") or payload.get("input")}


def _codex_output(payload: Line) -> Iterator[Event]:
    output = payload.get("output")
    text = output if isinstance(output, str) else _joined(output)
    exited = _EXITED.search(text)
    response: Any = text
    if exited is not None:
        _, marker, printed = text.partition("\nOutput:\n")
        response = {"stdout": printed if marker else text, "exit_code": int(exited[1])}
    yield _codex_turn(payload) | {
        "hook_event_name": "PostToolUse",
        "tool_use_id": payload.get("call_id"),
        "tool_response": response,
    }


def _codex_complete(payload: Line) -> Iterator[Event]:
    yield {
        "hook_event_name": "Stop",
        "turn_id": payload.get("turn_id"),
        "last_assistant_message": payload.get("last_agent_message"),
    }


_CODEX: dict[str, Callable[[Line], Iterator[Event]]] = {
    "message": _codex_message,
    "function_call": _codex_call,
    "custom_tool_call": _codex_call,
    "function_call_output": _codex_output,
    "custom_tool_call_output": _codex_output,
    "task_complete": _codex_complete,
}


def _codex_turn(payload: Line) -> Event:
    told = payload.get("internal_chat_message_metadata_passthrough")
    turn = told.get("turn_id") if isinstance(told, dict) else None
    return {"turn_id": turn} if isinstance(turn, str) else {}


def _joined(content: Any) -> str:
    blocks = content if isinstance(content, list) else []
    texts = (block.get("text") for block in blocks if isinstance(block, dict))
    return "\n".join(text for text in texts if isinstance(text, str))
