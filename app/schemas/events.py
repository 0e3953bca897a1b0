"""The catalogue of feed events: every name, the entity it is about, and its payload.

`feed.event` builds payloads from these structs alone, and `docs/events.md` is generated from them.
"""

from typing import NamedTuple
from uuid import UUID

import msgspec


class Payload(msgspec.Struct, frozen=True, kw_only=True):
    """Ids, states and counts; never bodies."""


class NoPayload(Payload, frozen=True, kw_only=True):
    """Nothing beyond the entity's id."""


class MemberPayload(Payload, frozen=True, kw_only=True):
    role: str
    is_active: bool


class SessionPayload(Payload, frozen=True, kw_only=True):
    """The session after the write."""

    status: str
    version: int


class InteractionPayload(Payload, frozen=True, kw_only=True):
    """The newest of the `count` interactions of one write; `status` is its result's, null while it
    is pending."""

    session_id: int
    seq: int
    count: int
    module: str
    status: str | None


class WorkItemPayload(Payload, frozen=True, kw_only=True):
    status: str
    track: str | None


class ConflictPayload(Payload, frozen=True, kw_only=True):
    work_item_a: str
    work_item_b: str
    severity: str


class ClaimPayload(Payload, frozen=True, kw_only=True):
    """`reason` tells why a claim was released; it is null when one is granted."""

    work_item_key: str
    agent_key: str
    track: str | None
    fencing_token: int
    reason: str | None = None


class InstancePayload(Payload, frozen=True, kw_only=True):
    status: str


class CommandsPayload(Payload, frozen=True, kw_only=True):
    """The last of the `count` commands logged at once."""

    count: int
    action: str
    success: bool | None


class EmittedPayload(Payload, frozen=True, kw_only=True):
    """The last of the `count` events emitted at once."""

    sequence_num: int
    count: int
    event_type: str


class CheckpointPayload(Payload, frozen=True, kw_only=True):
    instance_id: str
    checkpoint_type: str
    sequence_num: int


class OrchestrationPayload(Payload, frozen=True, kw_only=True):
    """`agent_id` is the agent that was added or removed, `agents` how many there are then."""

    status: str
    chairman_oversight: bool
    agent_id: UUID | str | None = None
    agents: int


class ActionPayload(Payload, frozen=True, kw_only=True):
    orchestration_id: UUID | str
    status: str
    critical: bool
    retry_count: int
    agent_id: UUID | str | None


class DecisionPayload(Payload, frozen=True, kw_only=True):
    """People are named by the uuid of their user."""

    orchestration_id: UUID | str
    action_id: UUID | str
    requested_by: UUID | str | None
    decided_by: UUID | str | None = None
    note: str | None = None


class RunPayload(Payload, frozen=True, kw_only=True):
    device_id: str
    finished: bool


class EvidencePayload(Payload, frozen=True, kw_only=True):
    count: int


class Event(NamedTuple):
    meaning: str
    payload: type[Payload] = NoPayload


# The field of each entity that `entity_id` holds.
ENTITY_IDS = {
    "account": "id",
    "token": "id",
    "member": "id",
    "preference": "user_id",
    "project": "id",
    "component": "id",
    "session": "id",
    "interaction": "id",
    "agent": "session_id",
    "work_item": "key",
    "work_item_conflict": "id",
    "claim": "id",
    "fleet_settings": "account_id",
    "instance": "instance_id",
    "checkpoint": "checkpoint_id",
    "continuity_settings": "account_id",
    "orchestration": "session_id",
    "action": "action_id",
    "decision": "decision_id",
    "device": "device_id",
    "nature": "orchestration_nature_id",
    "run": "orchestration_session_id",
}

EVENTS: dict[str, Event] = {
    "account.created": Event("An account was created."),
    "account.updated": Event("Its name or settings changed."),
    "token.created": Event("An API token was made."),
    "token.updated": Event("A token was renamed."),
    "token.deleted": Event("A token was deleted with its member or project."),
    "token.revoked": Event("A token was revoked."),
    "member.created": Event("A person joined the account.", MemberPayload),
    "member.updated": Event("Its role changed, or it was switched on or off.", MemberPayload),
    "member.deleted": Event("A member was removed, with their tokens.", MemberPayload),
    "preference.updated": Event("A user chose another active project."),
    "project.created": Event("A project was created."),
    "project.updated": Event("A project changed."),
    "project.deleted": Event("A project was deleted; its work stays."),
    "component.created": Event("A component was created."),
    "component.updated": Event("A component changed."),
    "component.deleted": Event("A component was deleted."),
    "session.created": Event("A session was created.", SessionPayload),
    "session.updated": Event("Its title, state, component or parent changed.", SessionPayload),
    "session.completed": Event("The session ended well.", SessionPayload),
    "session.failed": Event("The session ended without reaching its goal.", SessionPayload),
    "session.cancelled": Event("A client cancelled the session.", SessionPayload),
    "session.reopened": Event("An ended session is active again.", SessionPayload),
    "session.needs_input": Event("The agent waits for a person.", SessionPayload),
    "session.resumed": Event("The agent waits no longer.", SessionPayload),
    "session.moved": Event("Its project changed, or was deleted.", SessionPayload),
    "session.deleted": Event("The session was deleted with its history.", SessionPayload),
    "interaction.created": Event(
        "Interactions were appended; the newest has no result yet.", InteractionPayload
    ),
    "interaction.completed": Event(
        "Interactions were appended, or one got its result.", InteractionPayload
    ),
    "agent.registered": Event("An agent process appeared."),
    "agent.revived": Event("An agent that was stale or released is alive again."),
    "agent.updated": Event("Its machine, branch, codebase or metadata changed."),
    "agent.moved": Event("Its project changed, or was deleted."),
    "agent.stale": Event("An agent stopped sending heartbeats; its claim is released."),
    "agent.released": Event("An agent has ended."),
    "work_item.created": Event("A work item was created.", WorkItemPayload),
    "work_item.updated": Event("A work item changed.", WorkItemPayload),
    "work_item.completed": Event("A work item was completed.", WorkItemPayload),
    "work_item.moved": Event("Its project changed, or was deleted.", WorkItemPayload),
    "work_item.deleted": Event("A work item was deleted.", WorkItemPayload),
    "work_item_conflict.reported": Event(
        "Two work items get in each other's way.", ConflictPayload
    ),
    "work_item_conflict.resolved": Event("The conflict was resolved.", ConflictPayload),
    "claim.granted": Event("An agent holds the work item now.", ClaimPayload),
    "claim.released": Event("An agent no longer holds the work item.", ClaimPayload),
    "fleet_settings.updated": Event("The fleet's settings changed."),
    "instance.registered": Event("A long-running agent registered.", InstancePayload),
    "instance.closed": Event("An instance ended.", InstancePayload),
    "instance.stale": Event("An instance stopped sending heartbeats.", InstancePayload),
    "instance.moved": Event("Its project changed, or was deleted.", InstancePayload),
    "instance.deleted": Event("An instance was deleted with its logs.", InstancePayload),
    "instance.commands_logged": Event("Commands were logged.", CommandsPayload),
    "instance.events_emitted": Event("Events were emitted.", EmittedPayload),
    "checkpoint.created": Event("A checkpoint was made.", CheckpointPayload),
    "continuity_settings.updated": Event("The settings of instances changed."),
    "orchestration.created": Event("An orchestration was created.", OrchestrationPayload),
    "orchestration.updated": Event("An orchestration changed.", OrchestrationPayload),
    "orchestration.started": Event("An orchestration started.", OrchestrationPayload),
    "orchestration.paused": Event("An orchestration was paused.", OrchestrationPayload),
    "orchestration.resumed": Event("A paused orchestration went on.", OrchestrationPayload),
    "orchestration.completed": Event("An orchestration was completed.", OrchestrationPayload),
    "orchestration.failed": Event("An orchestration failed.", OrchestrationPayload),
    "orchestration.cancelled": Event("An orchestration was cancelled.", OrchestrationPayload),
    "orchestration.agent_added": Event("An agent joined.", OrchestrationPayload),
    "orchestration.agent_removed": Event("An agent left.", OrchestrationPayload),
    "orchestration.moved": Event("Its project changed, or was deleted.", OrchestrationPayload),
    "orchestration.deleted": Event("An orchestration was deleted.", OrchestrationPayload),
    "action.created": Event("An action was created.", ActionPayload),
    "action.started": Event("An agent works on the action.", ActionPayload),
    "action.completed": Event("The action succeeded.", ActionPayload),
    "action.retried": Event("The action failed and will be tried again.", ActionPayload),
    "action.failed": Event("The action failed for good.", ActionPayload),
    "action.cancelled": Event("The action was cancelled, or its decision rejected.", ActionPayload),
    "action.rolled_back": Event("The action was undone.", ActionPayload),
    "decision.requested": Event("A critical action waits for a person.", DecisionPayload),
    "decision.approved": Event("A person approved the action.", DecisionPayload),
    "decision.rejected": Event("A person rejected the action.", DecisionPayload),
    "decision.withdrawn": Event("The action no longer needs a decision.", DecisionPayload),
    "device.created": Event("A device was registered."),
    "device.updated": Event("A device changed."),
    "device.moved": Event("Its project changed, or was deleted."),
    "device.deleted": Event("A device was deleted."),
    "nature.created": Event("A nature of runs was created."),
    "nature.updated": Event("A nature changed."),
    "nature.deleted": Event("A nature was deleted."),
    "run.created": Event("A run began.", RunPayload),
    "run.updated": Event("A run changed.", RunPayload),
    "run.finished": Event("A run finished.", RunPayload),
    "run.moved": Event("Its project changed, or was deleted.", RunPayload),
    "run.deleted": Event("A run was deleted with its evidence.", RunPayload),
    "run.entries_added": Event("Entries were added.", EvidencePayload),
    "run.states_added": Event("States were added.", EvidencePayload),
    "run.execs_added": Event("Executions were added.", EvidencePayload),
    "run.issues_added": Event("Issues were added.", EvidencePayload),
    "run.issue_relations_added": Event("Relations between issues were added.", EvidencePayload),
    "run.logs_added": Event("Log lines were added.", EvidencePayload),
}
