from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from app.schemas.base import MAX_BATCH, MAX_NAME, Input, Instant, Integer, Name, Output, RowId, Text

Agent = Literal["claude_code"]
# The program that drives a session: claude-code, codex, gemini, opencode, or another.
Client = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_.-]{0,49}$(?!\n)")]
Environment = Literal["local", "vscode"]
SessionStatus = Literal["active", "complete", "failed"]
ResultStatus = Literal["ok", "error", "warning"]
Title = Annotated[str, Meta(max_length=MAX_NAME)]
ExternalId = Annotated[str, Meta(min_length=1, max_length=200)]
Milliseconds = Annotated[int, Meta(ge=0, le=2**53)]


class SessionCreate(Input):
    type: str
    agent: Agent | None = None
    client: Client | None = None
    environment: Environment | None = None
    title: Title | None = None
    state: dict[str, Any] = {}
    component_id: RowId | None = None
    external_id: ExternalId | None = None
    parent_session_id: RowId | None = None


class SessionUpdate(Input):
    """`state` is a JSON merge patch (RFC 7396): null removes a key."""

    title: Title | UnsetType | None = UNSET
    state: dict[str, Any] | UnsetType = UNSET
    component_id: RowId | UnsetType | None = UNSET
    environment: Environment | UnsetType | None = UNSET


class SessionFail(Input):
    reason: Annotated[Text, Meta(min_length=1)]


class SessionCancel(Input):
    reason: Text | None = None


class CommandInput(Input, kw_only=True):
    """`module` names the step or the tool; `pipe` goes to the command's standard input."""

    id: UUID | None = None
    module: Name
    command: str = ""
    pipe: str | None = None
    metadata: dict[str, Any] = {}
    timestamp: Instant | None = None


class ResultInput(Input, kw_only=True):
    """`exit_code` is a synonym of `code`."""

    status: ResultStatus
    id: UUID | None = None
    data: dict[str, Any] = {}
    code: Integer | None = None
    exit_code: Integer | None = None
    error_message: str | None = None
    stdout: str | None = None
    stderr: str | None = None
    duration_ms: Milliseconds | None = None
    timestamp: Instant | None = None


class InteractionInput(Input, kw_only=True):
    command: CommandInput
    id: UUID | None = None
    step_name: Name | None = None
    result: ResultInput | None = None


InteractionBatch = Annotated[list[InteractionInput], Meta(min_length=1, max_length=MAX_BATCH)]


class Command(Output, kw_only=True, forbid_unknown_fields=True):
    id: UUID
    module: str
    command: str
    pipe: str | None = None
    metadata: dict[str, Any]
    timestamp: Instant


class Result(Output, kw_only=True, forbid_unknown_fields=True):
    id: UUID
    status: ResultStatus
    data: dict[str, Any]
    code: int | None = None
    error_message: str | None = None
    stdout: str | None = None
    stderr: str | None = None
    duration_ms: int | None = None
    timestamp: Instant


class Interaction(Output, kw_only=True, forbid_unknown_fields=True):
    """`seq` orders them; `completed_at` is set exactly when there is a result."""

    id: UUID
    seq: int
    step_name: str | None = None
    command: Command
    result: Result | None = None
    completed_at: Instant | None = None


class Posted(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """Digests of what the client sent, before redaction and truncation: they recognise a repeat."""

    interaction: str | None = None
    result: str | None = None
    key: str | None = None
    """The agent's own id, of a recorded interaction."""


class WorkflowMark(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """On the interactions that a workflow has asked for: how many results of each step, in a row,
    were not ok, and whether this one's result moved the workflow."""

    failures: dict[str, int] = {}
    applied: bool = False


class StoredInteraction(Interaction, kw_only=True, forbid_unknown_fields=True):
    """As embedded in the row. `posted` and `workflow` are unset before it leaves the history."""

    posted: Posted | UnsetType = UNSET
    workflow: WorkflowMark | UnsetType = UNSET


class InteractionSummary(Output):
    """What a list shows of the newest interaction; `status` is null while it is pending."""

    seq: int
    module: str
    command: str
    step_name: str | None
    status: ResultStatus | None


class NeedsInput(Output):
    kind: str
    message: str
    since: Instant


class SessionSummary(Output):
    id: int
    type: str
    agent: Agent | None
    client: str | None
    environment: Environment | None
    status: SessionStatus
    title: str | None
    state: dict[str, Any]
    account_id: int
    project_id: int | None
    component_id: int | None
    user_id: int | None
    parent_session_id: int | None
    external_id: str | None
    needs_input: NeedsInput | None
    interaction_count: int
    last_interaction: InteractionSummary | None
    version: int
    ended_at: Instant | None
    inserted_at: Instant
    updated_at: Instant


class SessionOut(SessionSummary):
    interactions: list[Interaction]


class SessionTypeOut(Output):
    """`steps` is empty where the agent drives."""

    name: str
    title: str
    description: str
    steps: list[str]


class ResultOut(Output):
    """`applied` tells whether the result moved the session's workflow."""

    interaction: Interaction
    session_status: SessionStatus
    applied: bool
