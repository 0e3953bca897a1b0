"""The state of an instance as a pure fold of its events, the same however they are paged."""

from typing import Any, NamedTuple

import msgspec

from app.schemas.base import Instant
from app.schemas.continuity import CheckpointMark, EventCategory, EventType, Mark, ReplayState


class Kind(NamedTuple):
    category: EventCategory
    description: str


KINDS: dict[EventType, Kind] = {
    "instance_registered": Kind("instance", "The instance was registered."),
    "instance_heartbeat": Kind("instance", "The instance was alive, noted at most once a minute."),
    "instance_stale": Kind("instance", "The instance stopped sending heartbeats."),
    "epic_started": Kind("epic", "Work on an epic began."),
    "epic_completed": Kind("epic", "An epic was completed."),
    "epic_failed": Kind("epic", "An epic failed."),
    "epic_planned": Kind("epic", "An epic was planned."),
    "test_started": Kind("test", "A test run began."),
    "test_passed": Kind("test", "A test run passed."),
    "test_failed": Kind("test", "A test run failed."),
    "validation_passed": Kind("validation", "A validation passed."),
    "validation_failed": Kind("validation", "A validation failed."),
    "commit_created": Kind("git", "A commit was created."),
    "pr_created": Kind("git", "A pull request was opened."),
    "pr_merged": Kind("git", "A pull request was merged."),
    "deployment_started": Kind("deployment", "A deployment began."),
    "deployment_completed": Kind("deployment", "A deployment was completed."),
    "deployment_failed": Kind("deployment", "A deployment failed."),
    "context_window_updated": Kind("system", "Context usage or epic of the instance changed."),
    "checkpoint_created": Kind("system", "A checkpoint was created."),
    "checkpoint_loaded": Kind("system", "A checkpoint was loaded again."),
    "feature_requested": Kind("system", "A feature was requested."),
    "task_spawned": Kind("system", "A task was handed to another agent."),
}

# The events whose data the fold reads; of all others it needs only type, number and time.
WITH_DATA = ("epic_started", "checkpoint_created")
_REMEMBERED: dict[EventCategory, str] = {
    "test": "last_test",
    "validation": "last_validation",
    "deployment": "last_deployment",
}


def fold(
    state: ReplayState,
    event_type: EventType,
    sequence_num: int,
    timestamp: Instant,
    event_data: dict[str, Any] | None,
) -> ReplayState:
    """The state after one more event."""
    category = KINDS[event_type].category
    mark = Mark(event_type=event_type, sequence_num=sequence_num, timestamp=timestamp)
    changes: dict[str, Any] = {
        "sequence_num": sequence_num,
        "counts": {**state.counts, category: state.counts.get(category, 0) + 1},
        "last_event": mark,
        "current_epic": epic_after(event_type, event_data, state.current_epic),
    }
    if category in _REMEMBERED:
        changes[_REMEMBERED[category]] = mark
    if event_type == "checkpoint_created":
        identifier = (event_data or {}).get("checkpoint_id")
        changes["last_checkpoint"] = CheckpointMark(
            checkpoint_id=identifier if isinstance(identifier, str) else None,
            **msgspec.structs.asdict(mark),
        )
    return msgspec.structs.replace(state, **changes)


def epic_after(
    event_type: str, event_data: dict[str, Any] | None, current_epic: str | None
) -> str | None:
    """The epic after an event. The one that starts an epic names it by `epic_id`, else `epic`, else
    `epic_name`."""
    if event_type in {"epic_completed", "epic_failed"}:
        return None
    if event_type != "epic_started":
        return current_epic
    data = event_data or {}
    names = (data.get(key) for key in ("epic_id", "epic", "epic_name"))
    return next((str(name) for name in names if isinstance(name, str | int) and name != ""), None)
