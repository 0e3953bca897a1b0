from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType, field

from app.schemas.base import MAX_BATCH, MAX_BIGINT, Input, Instant, Name, Output, Text

InstanceType = Literal["PS", "MS"]
TimelineKind = Literal["event", "command", "checkpoint"]
InstanceStatus = Literal["active", "stale", "closed"]
CheckpointType = Literal["manual", "automatic", "context_window", "epic_completion"]
CommandSource = Literal["auto", "explicit"]
EventType = Literal[
    "instance_registered",
    "instance_heartbeat",
    "instance_stale",
    "epic_started",
    "epic_completed",
    "epic_failed",
    "epic_planned",
    "test_started",
    "test_passed",
    "test_failed",
    "validation_passed",
    "validation_failed",
    "commit_created",
    "pr_created",
    "pr_merged",
    "deployment_started",
    "deployment_completed",
    "deployment_failed",
    "context_window_updated",
    "checkpoint_created",
    "checkpoint_loaded",
    "feature_requested",
    "task_spawned",
]
EventCategory = Literal["instance", "epic", "test", "validation", "git", "deployment", "system"]
InstanceId = Annotated[str, Meta(pattern=r"^[a-z0-9-]+-(PS|MS)-[a-z0-9]{6}$(?!\n)", max_length=100)]
ProjectName = Annotated[str, Meta(min_length=1, max_length=64)]
Percent = Annotated[int, Meta(ge=0, le=100)]
SequenceNumber = Annotated[int, Meta(ge=1, le=MAX_BIGINT)]
Milliseconds = Annotated[int, Meta(ge=0, le=2**53)]
Tags = Annotated[list[Name], Meta(max_length=50)]


class InstanceRegister(Input):
    """Without an `instance_id` one is made from the project's name."""

    project: ProjectName
    instance_type: InstanceType
    instance_id: InstanceId | None = None
    context_percent: Percent = 0
    current_epic: Name | None = None
    host_machine: Name | None = None
    external_id: Name | None = None


class Heartbeat(Input):
    """Fields that are left out stay as they are; null clears the epic."""

    context_percent: Percent | UnsetType = UNSET
    current_epic: Name | UnsetType | None = UNSET


class EventInput(Input):
    """The server numbers events; a `sequence_num` is only compared with its number."""

    event_type: EventType
    event_data: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    timestamp: Instant | None = None
    sequence_num: SequenceNumber | None = None


class CommandLogInput(Input):
    command_type: Name
    action: Name
    tool_name: Name | None = None
    parameters: dict[str, Any] = {}
    result: dict[str, Any] | None = None
    error_message: str | None = None
    success: bool = True
    execution_time_ms: Milliseconds | None = None
    tags: Tags = []
    context_data: dict[str, Any] = {}
    source: CommandSource = "auto"


class CheckpointInput(Input):
    """Without a percentage the instance's own is used."""

    checkpoint_type: CheckpointType = "manual"
    context_window_percent: Percent | None = None
    work_state: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    timestamp: Instant | None = None
    sequence_num: SequenceNumber | None = None


class ResumeInput(Input):
    """`hint` is tried as an instance_id, as 4–6 characters of its end, as an epic, and as a
    project, in this order."""

    hint: Annotated[str, Meta(min_length=1, max_length=200)] | None = None


EventBatch = Annotated[list[EventInput], Meta(min_length=1, max_length=MAX_BATCH)]
CommandLogBatch = Annotated[list[CommandLogInput], Meta(min_length=1, max_length=MAX_BATCH)]


class InstanceOut(Output):
    instance_id: str
    project: str
    instance_type: InstanceType
    status: InstanceStatus
    context_percent: int
    current_epic: str | None
    host_machine: str | None
    external_id: str | None
    event_count: int
    checkpoint_count: int
    account_id: int
    project_id: int | None
    last_heartbeat: Instant
    created_at: Instant
    closed_at: Instant | None


class HeartbeatOut(InstanceOut):
    """`checkpoint_advised` is true from 80 % of the context window."""

    checkpoint_advised: bool


class EventOut(Output):
    event_id: UUID
    instance_id: str
    event_type: EventType
    sequence_num: int
    timestamp: Instant
    created_at: Instant
    event_data: dict[str, Any]
    event_metadata: dict[str, Any] = field(name="metadata")


class LoggedCommandOut(Output):
    id: int
    instance_id: str
    command_type: str
    action: str
    tool_name: str | None
    parameters: dict[str, Any]
    result: dict[str, Any] | None
    error_message: str | None
    success: bool
    execution_time_ms: int | None
    tags: list[str]
    context_data: dict[str, Any]
    source: CommandSource
    created_at: Instant


class CheckpointOut(Output):
    """`event_sequence` is the number of the last event it includes."""

    checkpoint_id: UUID
    instance_id: str
    checkpoint_type: CheckpointType
    sequence_num: int
    timestamp: Instant
    context_window_percent: int
    work_state: dict[str, Any]
    checkpoint_metadata: dict[str, Any] = field(name="metadata")
    event_sequence: int
    created_at: Instant


class EventTypeOut(Output):
    event_type: EventType
    category: EventCategory
    description: str


class Mark(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An event that the replayed state remembers."""

    event_type: EventType
    sequence_num: int
    timestamp: Instant


class CheckpointMark(Mark, frozen=True, forbid_unknown_fields=True, kw_only=True):
    checkpoint_id: str | None


class ReplayState(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The fold of all events up to `sequence_num`; also stored in checkpoints."""

    sequence_num: int = 0
    current_epic: str | None = None
    counts: dict[EventCategory, int] = {}
    last_test: Mark | None = None
    last_validation: Mark | None = None
    last_deployment: Mark | None = None
    last_checkpoint: CheckpointMark | None = None
    last_event: Mark | None = None


class ReplayOut(Output):
    """`from_sequence` is the last event of the checkpoint the replay started from, 0 for none.
    `complete` is false when retention has deleted events it would have needed."""

    state: ReplayState
    from_sequence: int
    complete: bool


class TimelineEntry(Output):
    """Only the field that `kind` names is set."""

    at: Instant
    kind: TimelineKind
    event: EventOut | None = None
    command: LoggedCommandOut | None = None
    checkpoint: CheckpointOut | None = None


class Restored(Output):
    """`events` and `commands` are the newest 100 of each since the checkpoint, oldest first."""

    checkpoint: CheckpointOut
    work_state: dict[str, Any]
    instructions: Text
    events: list[EventOut]
    commands: list[LoggedCommandOut]


class Handoff(Output):
    """`confidence` (0–100) says how reliable the source of the hand-off is."""

    instance: InstanceOut
    source: Literal["checkpoint", "events", "commands", "instance"]
    confidence: int
    current_epic: str | None
    silent_seconds: int
    work_state: dict[str, Any]
    checkpoint: CheckpointOut | None
    events: list[EventOut]
    commands: list[LoggedCommandOut]
    next_steps: list[str]
    instructions: str


class Choice(Output):
    instance_id: str
    project: str
    current_epic: str | None
    status: InstanceStatus
    silent_seconds: int


class Resumed(Output):
    """A hand-off, or the instances that the hint matches."""

    handoff: Handoff | None = None
    choices: list[Choice] = []
