from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from app.schemas.base import Input, Instant, Name, Output, Text

OrchestrationType = Literal[
    "venture_workflow", "strategic_analysis", "performance_review", "integration_coordination"
]
OrchestrationStatus = Literal["active", "paused", "completed", "failed", "cancelled"]
ActionStatus = Literal["pending", "in_progress", "completed", "failed", "cancelled", "rolled_back"]
DecisionStatus = Literal["pending", "approved", "rejected", "withdrawn"]
Priority = Annotated[int, Meta(ge=1, le=10)]
Retries = Annotated[int, Meta(ge=0, le=1000)]
MAX_REASON = 1000
Reason = Annotated[str, Meta(min_length=1, max_length=MAX_REASON)]


class OrchestrationCreate(Input):
    session_type: OrchestrationType
    objective: Text | None = None
    chairman_oversight: bool = False
    orchestration_context: dict[str, Any] = {}
    active_agents: Annotated[list[UUID], Meta(max_length=1000)] = []


class OrchestrationUpdate(Input):
    """`orchestration_context` is a JSON merge patch (RFC 7396): null removes a key."""

    objective: Text | UnsetType | None = UNSET
    chairman_oversight: bool | UnsetType = UNSET
    orchestration_context: dict[str, Any] | UnsetType = UNSET


class OrchestrationFail(Input):
    """Is stored as an entry of `error_log`."""

    message: Annotated[Text, Meta(min_length=1)]
    kind: Name = "error"
    details: dict[str, Any] = {}


class OrchestrationCancel(Input):
    reason: Text | None = None


class ErrorEntry(Output):
    """`by` is a user's UUID. A cancellation has a `reason`, an error `message` and `details`."""

    at: Instant
    by: UUID
    kind: str
    message: str | UnsetType | None = UNSET
    details: dict[str, Any] | UnsetType = UNSET
    reason: str | UnsetType | None = UNSET


class OrchestrationSummary(Output):
    session_id: UUID
    company_id: UUID
    account_id: int
    project_id: int | None
    session_type: OrchestrationType
    session_status: OrchestrationStatus
    active_agents: list[str]
    chairman_oversight: bool
    objective: str | None
    created_at: Instant
    started_at: Instant | None
    paused_at: Instant | None
    resumed_at: Instant | None
    completed_at: Instant | None
    failed_at: Instant | None
    created_by: UUID


class ActionCounts(Output):
    total: int
    pending: int
    in_progress: int
    completed: int
    failed: int
    cancelled: int
    rolled_back: int


class Performance(Output):
    """`error_rate` is failed / (completed + failed + rolled_back), null before any action has
    ended. `duration_seconds` runs from `started_at` to the end, or to now."""

    actions: ActionCounts
    error_rate: float | None
    duration_seconds: float | None
    agents: int
    approvals: int
    rejections: int
    retries: int


class OrchestrationOut(OrchestrationSummary):
    """`performance_summary` is counted live until the end."""

    orchestration_context: dict[str, Any]
    error_log: list[ErrorEntry]
    performance_summary: Performance


class ActionCreate(Input):
    """`priority_level` 10 comes first. No agent can claim it before `scheduled_for`."""

    event_type: Name
    action_name: Name | None = None
    payload: dict[str, Any] = {}
    priority_level: Priority = 5
    assigned_agent_id: UUID | None = None
    max_retries: Retries = 3
    scheduled_for: Instant | None = None
    critical: bool = False
    is_reversible: bool = False
    rollback_data: Any = None


class AgentReference(Input):
    agent_id: UUID


class ActionComplete(Input):
    """`rollback_data` is what a rollback will need."""

    result: Any = None
    rollback_data: Any = UNSET


class ActionFail(Input):
    error_message: Annotated[str, Meta(min_length=1)]


class ActionOut(Output):
    action_id: UUID
    session_id: UUID
    event_type: str
    action_name: str | None
    payload: dict[str, Any]
    priority_level: int
    assigned_agent_id: UUID | None
    status: ActionStatus
    critical: bool
    result: Any
    error_message: str | None
    retry_count: int
    max_retries: int
    is_reversible: bool
    rollback_data: Any
    scheduled_for: Instant | None
    created_by: UUID
    created_at: Instant
    started_at: Instant | None
    completed_at: Instant | None
    failed_at: Instant | None
    cancelled_at: Instant | None
    rolled_back_at: Instant | None


class ActionSummary(Output):
    """A row of a list: without payload, result and rollback_data."""

    action_id: UUID
    session_id: UUID
    event_type: str
    action_name: str | None
    priority_level: int
    assigned_agent_id: UUID | None
    status: ActionStatus
    critical: bool
    retry_count: int
    max_retries: int
    is_reversible: bool
    scheduled_for: Instant | None
    created_by: UUID
    created_at: Instant
    started_at: Instant | None
    completed_at: Instant | None
    failed_at: Instant | None
    cancelled_at: Instant | None
    rolled_back_at: Instant | None


class DecisionApprove(Input):
    note: Reason | None = None


class DecisionReject(Input):
    note: Reason


class DecisionAction(Output):
    event_type: str
    action_name: str | None
    priority_level: int
    payload: dict[str, Any]


class DecisionOut(Output):
    decision_id: UUID
    session_id: UUID
    action_id: UUID
    action: DecisionAction
    status: DecisionStatus
    requested_by: UUID
    requested_at: Instant
    decided_by: UUID | None
    decided_at: Instant | None
    note: str | None
