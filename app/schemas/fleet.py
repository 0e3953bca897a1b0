from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from app.schemas.base import (
    MAX_INTEGER,
    MAX_NAME,
    Input,
    Instant,
    Integer,
    Live,
    Name,
    Output,
    Text,
)
from app.schemas.sessions import NeedsInput

Track = Literal["A", "B", "C", "STANDALONE"]
AgentStatus = Literal["active", "idle", "stale", "released"]
WorkItemStatus = Literal["open", "done", "cancelled"]
Availability = Literal["available", "track_busy", "blocked", "claimed", "done"]
TrackStatus = Literal["occupied", "open", "blocked", "empty"]
ReleaseReason = Literal["completed", "timeout", "manual", "conflict", "session_ended", "takeover"]
ConflictType = Literal[
    "file_overlap", "component_overlap", "dependency_conflict", "resource_conflict"
]
Severity = Literal["blocking", "warning", "info"]

AgentId = Annotated[str, Meta(min_length=1, max_length=200)]
# A segment of a path: without slashes and control characters, neither `.` nor `..`, and not the
# verb of `POST /api/work-items/claim-next`.
_KEY = r"^(?!(\.{1,2}|claim-next)$)[^/\x00-\x1f\x7f]+$(?!\n)"
WorkItemKey = Annotated[str, Meta(min_length=1, max_length=100, pattern=_KEY)]
Pid = Annotated[int, Meta(ge=0, le=MAX_INTEGER)]
MAX_LABEL = 1000
Label = Annotated[str, Meta(max_length=MAX_LABEL)]
# Indexed: a B-tree entry holds at most 2,704 bytes.
Tty = Annotated[str, Meta(max_length=MAX_NAME)]


class AgentRegister(Input):
    """Fields that are left out or null stay as they were; `metadata` is merged key by key."""

    codebase: Label | None = None
    hostname: Label | None = None
    pid: Pid | None = None
    tty: Tty | None = None
    metadata: dict[str, Any] | None = None


class AgentHeartbeats(Input):
    """Heartbeats of all agents of one machine."""

    session_ids: Annotated[list[AgentId], Meta(min_length=1, max_length=1000)]


class HeartbeatResult(Output):
    """`sd_id` is the key of the work item that the agent still holds. For an unknown agent it and
    `status` are null."""

    session_id: str
    result: Literal["ok", "agent_released", "not_found"]
    status: AgentStatus | None = None
    sd_id: str | None = None


class AgentRelease(Input):
    """The reason for releasing the work item; the other reasons are set by the server."""

    reason: Literal["manual", "completed", "conflict"] = "manual"


class AgentSummary(Live):
    """`computed_status` counts missed heartbeats before any sweep does. Seconds are by the database
    clock; `seconds_until_stale` is 0 for a stale agent and null for one that is released or
    working. `working` tells that a tool call runs, which keeps its agent from becoming stale for an
    hour, and `needs_input` what the session that records this agent waits for, if there is one."""

    id: UUID
    session_id: str
    account_id: int
    project_id: int | None
    status: AgentStatus
    computed_status: AgentStatus
    sd_id: str | None
    work_item_title: str | None
    track: Track | None
    claimed_at: Instant | None
    claim_duration_seconds: float | None
    heartbeat_at: Instant
    heartbeat_age_seconds: float
    seconds_until_stale: float | None
    needs_input: NeedsInput | None
    working: bool
    tty: str | None
    pid: int | None
    hostname: str | None
    codebase: str | None
    created_at: Instant
    updated_at: Instant


class AgentOut(AgentSummary):
    metadata: dict[str, Any]


class WorkItemCreate(Input):
    """The lowest `sequence_rank` comes first. An item that is not ready is never claimed as the
    next one."""

    key: WorkItemKey
    title: Name
    description: Text | None = None
    track: Track = "STANDALONE"
    sequence_rank: Integer = 0
    is_ready: bool = True


class WorkItemUpdate(Input):
    """`done` completes a claim on the item, `cancelled` releases it, `open` makes the item
    claimable again."""

    title: Name | UnsetType = UNSET
    description: Text | UnsetType | None = UNSET
    status: WorkItemStatus | UnsetType = UNSET
    track: Track | UnsetType = UNSET
    sequence_rank: Integer | UnsetType = UNSET
    is_ready: bool | UnsetType = UNSET


class WorkItemOut(Output):
    """`claimed_by` is the session_id of the agent with the live claim; `fencing_token` is the last
    one granted."""

    key: str
    account_id: int
    project_id: int | None
    title: str
    description: str | None
    status: WorkItemStatus
    track: Track
    sequence_rank: int
    is_ready: bool
    fencing_token: int
    claimed_by: str | None
    created_at: Instant
    updated_at: Instant


class WorkItemRow(Output):
    """An item is `claimed` while its holder is alive; that of a stale holder can be taken over."""

    key: str
    project_id: int | None
    title: str
    status: WorkItemStatus
    track: Track
    sequence_rank: int
    is_ready: bool
    availability: Availability
    claimed_by: str | None
    created_at: Instant
    updated_at: Instant


class WorkItemComplete(Input):
    """With a `fencing_token`, completes the item only while that claim is live."""

    fencing_token: Annotated[int, Meta(ge=1, le=2**63 - 1)] | None = None


class WorkItemClaim(Input):
    """`force` takes the item from a live agent; for administrators and owners."""

    session_id: AgentId
    force: bool = False


class NextClaim(Input):
    session_id: AgentId
    track: Track | None = None


class Notice(Output):
    """A reason against a claim, a warning or a remark. `work_item` and `session_id` name what it is
    about."""

    code: str
    message: str
    work_item: str | None = None
    session_id: str | None = None
    heartbeat_age_seconds: float | None = None


class Claimable(Output):
    can_claim: bool
    blocking_reasons: list[Notice]
    warnings: list[Notice]
    info: list[Notice]


class ClaimOut(Output):
    """Live while `released_at` is null; its `fencing_token` is then the item's highest."""

    id: int
    account_id: int
    work_item: str
    session_id: str
    track: Track
    claimed_at: Instant
    released_at: Instant | None
    release_reason: ReleaseReason | None
    fencing_token: int


class Granted(Output):
    claim: ClaimOut
    work_item: WorkItemOut
    warnings: list[Notice]


class TrackOut(Output):
    """`next_item` is the key of the best available item, `work_item` and `session_id` the live
    claim that was made first. A STANDALONE track is never occupied."""

    track: Track
    status: TrackStatus
    open_count: int
    done_count: int
    cancelled_count: int
    claimed_count: int
    available_count: int
    blocked_count: int
    next_item: str | None
    work_item: str | None
    session_id: str | None


class WorkItemConflictCreate(Input):
    """The order of the two items does not matter. Reporting the pair again updates the conflict,
    and reopens it if it was resolved."""

    work_item_a: WorkItemKey
    work_item_b: WorkItemKey
    conflict_type: ConflictType
    severity: Severity
    affected_areas: Annotated[list[Label], Meta(max_length=1000)] = []


class WorkItemConflictResolve(Input):
    resolution_notes: Text | None = None


class WorkItemConflictOut(Output):
    id: int
    account_id: int
    work_item_a: str
    work_item_b: str
    conflict_type: ConflictType
    severity: Severity
    affected_areas: list[str]
    detected_at: Instant
    resolved_at: Instant | None
    resolution_notes: str | None


class FleetSettingsUpdate(Input):
    stale_after_seconds: Annotated[int, Meta(ge=1, le=604_800)] | UnsetType = UNSET


class FleetSettingsOut(Output):
    """An agent is stale after so many seconds without a heartbeat."""

    stale_after_seconds: int
