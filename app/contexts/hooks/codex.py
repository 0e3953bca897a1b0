"""Hook events of Codex: the shapes of Claude Code, and those of its older `notify` program."""

from app.contexts.hooks import claude_code
from app.contexts.hooks.parsing import Event, as_text
from app.schemas.hooks import Observation

_NOTIFY = frozenset("type thread-id turn-id input-messages last-assistant-message".split())


def translate(event: Event) -> Observation | None:
    seen = _notified(event) if "thread-id" in event else claude_code.translate(event)
    if seen is not None:
        seen.agent = None
        seen.state["agent"] = "codex"
    return seen


def _notified(event: Event) -> Observation | None:
    """Translate the end of a turn, one event that holds its prompt and its answer."""
    base = {"session_id": event["thread-id"], "turn_id": event.get("turn-id")}
    base |= {name: value for name, value in event.items() if name == "cwd"}
    if event.get("type") != "agent-turn-complete":
        return claude_code.translate({**event, **base, "hook_event_name": event.get("type")})
    rest = {name: value for name, value in event.items() if name not in _NOTIFY}
    answer = as_text(event.get("last-assistant-message"))
    seen = claude_code.translate(
        {**rest, **base, "hook_event_name": "Stop", "last_assistant_message": answer}
    )
    messages = event.get("input-messages")
    if seen is None or not isinstance(messages, list) or not isinstance(base["turn_id"], str):
        return seen
    prompt = "\n\n".join(message for message in messages if isinstance(message, str))
    asked = claude_code.translate({**base, "hook_event_name": "UserPromptSubmit", "prompt": prompt})
    if asked is not None:
        seen.title, seen.steps = asked.title, asked.steps + seen.steps
    return seen
