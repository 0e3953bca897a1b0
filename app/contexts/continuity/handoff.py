"""What the next agent is told about the work of the previous one."""

from collections.abc import Sequence
from typing import Any

from app.contexts.continuity.instances import CHECKPOINT_ADVISED_PERCENT
from app.models import LoggedCommand, StoredEvent, SupervisorSession

MAX_STEPS = 5
_SHOWN = 10


def next_steps(
    instance: SupervisorSession,
    work_state: dict[str, Any],
    events: Sequence[StoredEvent],
    commands: Sequence[LoggedCommand],
) -> list[str]:
    """Lists the agent's own plans first, then what it left failing or open."""
    planned = work_state.get("next_steps")
    steps = [s for s in planned if isinstance(s, str)] if isinstance(planned, list) else []
    last = {event.event_type.partition("_")[0]: event.event_type for event in events}
    if last.get("test") in {"test_failed", "test_started"}:
        steps.append("Run the tests again and fix what fails.")
    if last.get("validation") == "validation_failed":
        steps.append("Correct what the last validation refused.")
    if last.get("deployment") in {"deployment_started", "deployment_failed"}:
        steps.append("Check the last deployment: it was not completed.")
    if commands and not commands[-1].success:
        steps.append(f"Look into the last command, which failed: {commands[-1].action}.")
    if instance.current_epic is None:
        steps.append("Choose the next epic.")
    else:
        steps.append(f"Continue epic {instance.current_epic}.")
    if instance.context_percent >= CHECKPOINT_ADVISED_PERCENT:
        steps.append("Create a checkpoint early: the context window was nearly full.")
    return steps[:MAX_STEPS]


def instructions(
    instance: SupervisorSession,
    work_state: dict[str, Any],
    events: Sequence[StoredEvent],
    commands: Sequence[LoggedCommand],
    steps: Sequence[str],
) -> str:
    """Markdown. `events` and `commands` come oldest first; the newest ten of each are named."""
    lines = [
        f"# Resume {instance.instance_id}",
        "",
        f"- Project: {instance.project}",
        f"- Epic: {instance.current_epic or 'none'}",
        f"- Context window used: {instance.context_percent} %",
        f"- Status: {instance.status}",
    ]
    sections = {
        "Work state": [f"{name}: {value}" for name, value in work_state.items()],
        "Last events": [f"{e.sequence_num} {e.event_type}" for e in events[-_SHOWN:]],
        "Last commands": [
            f"{c.action} ({'ok' if c.success else 'failed'})" for c in commands[-_SHOWN:]
        ],
        "Next steps": list(steps),
    }
    for title, items in sections.items():
        if items:
            lines += ["", f"## {title}", "", *(f"- {item}" for item in items)]
    return "\n".join(lines) + "\n"
