"""What each writing route records in the feed, and what must happen before it can."""

from dataclasses import dataclass, field
from typing import Any

from tests.api.operations import BODIES

SESSION = "/api/sessions/{session_id}"
ORCHESTRATION = "/api/orchestrations/{orchestration_id}"
ACTION = f"{ORCHESTRATION}/actions/{{plain_action_id}}"

# Operations that record one event on the walk's rows as they are.
PLAIN = {
    "set_active_project": "preference.updated",
    "update_account": "account.updated",
    "create_member": "member.created",
    "create_token": "token.created",
    "update_token": "token.updated",
    "create_project": "project.created",
    "update_project": "project.updated",
    "update_component": "component.updated",
    "create_session": "session.created",
    "update_session": "session.updated",
    "complete_session": "session.completed",
    "fail_session": "session.failed",
    "cancel_session": "session.cancelled",
    "move_session": "session.moved",
    "append_interactions": "interaction.created",
    "set_interaction_result": "interaction.completed",
    "register_instance": "instance.registered",
    "delete_instance": "instance.deleted",
    "close_instance": "instance.closed",
    "update_continuity_settings": "continuity_settings.updated",
    "emit_instance_events": "instance.events_emitted",
    "log_instance_commands": "instance.commands_logged",
    "create_checkpoint": "checkpoint.created",
    "create_device": "device.created",
    "update_device": "device.updated",
    "move_device": "device.moved",
    "update_nature": "nature.updated",
    "delete_nature": "nature.deleted",
    "update_run": "run.updated",
    "delete_run": "run.deleted",
    "finish_run": "run.finished",
    "move_run": "run.moved",
    "add_run_entries": "run.entries_added",
    "add_run_states": "run.states_added",
    "add_run_execs": "run.execs_added",
    "add_run_issues": "run.issues_added",
    "create_orchestration": "orchestration.created",
    "update_orchestration": "orchestration.updated",
    "delete_orchestration": "orchestration.deleted",
    "move_orchestration": "orchestration.moved",
    "start_orchestration": "orchestration.started",
    "pause_orchestration": "orchestration.paused",
    "add_orchestration_agent": "orchestration.agent_added",
    "register_agent": "agent.updated",
    "release_claim": "claim.released",
    "move_agent": "agent.moved",
    "update_fleet_settings": "fleet_settings.updated",
    "create_work_item": "work_item.created",
    "update_work_item": "work_item.updated",
    "move_work_item": "work_item.moved",
    "create_work_item_conflict": "work_item_conflict.reported",
    "resolve_work_item_conflict": "work_item_conflict.resolved",
}
# Heartbeats record no event, and a restored checkpoint is only read.
SILENT = {
    "record_instance_heartbeat",
    "record_agent_heartbeat",
    "record_agent_heartbeats",
    "restore_checkpoint",
}


@dataclass(frozen=True)
class Story:
    """The events of one operation, in their order.

    `before` are the POST requests that make it possible. `ids` and `body` differ from the walk's;
    `{name}` in any of them stands for the id of that name.
    """

    events: list[str]
    before: tuple[tuple[str, Any], ...] = ()
    ids: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)


_ISSUES = [
    {"orchestration_session_issue_id": name, "issue_type": "t", "issue_message": "m"}
    for name in "ab"
]
_EXEC = {**BODIES["add_run_execs"], "orchestration_session_exec_id": "e"}
_START = (f"{ACTION}/start", None)
_CHILD = {"type": "RecordedSessions", "parent_session_id": "{session_id}"}
_PART = {"type": "RecordedSessions", "component_id": "{component_id}"}
_TOKEN = {"name": "x", "scopes": ["read"], "project_id": "{project_id}"}
_PLAIN_ACTION = {"action_id": "{plain_action_id}"}
_OTHER_DECISION = {"decision_id": "{other_decision_id}"}
_WITHDRAWN = ["decision.withdrawn", "action.cancelled"]

STORIES: dict[str, Story] = {
    **{name: Story([event]) for name, event in PLAIN.items()},
    **{name: Story([]) for name in SILENT},
    "update_member": Story(["member.updated"], ids={"member_id": "{other_member_id}"}),
    "delete_member": Story(
        ["token.deleted", "member.deleted"], ids={"member_id": "{other_member_id}"}
    ),
    "revoke_token": Story(["token.revoked"], ids={"token_id": "{spare_token_id}"}),
    "delete_project": Story(
        [
            *("agent.moved", "work_item.moved", "work_item.moved", "device.moved"),
            *("device.moved", "orchestration.moved", "run.moved", "instance.moved"),
            *("session.moved", "session.moved", "component.deleted", "token.deleted"),
            "project.deleted",
        ],
        before=(("/api/tokens", _TOKEN),),
    ),
    "create_component": Story(["component.created"], body={"module_name": "Other"}),
    "delete_component": Story(
        ["session.updated", "component.deleted"], before=(("/api/sessions", _PART),)
    ),
    "delete_session": Story(
        ["session.updated", "session.deleted"], before=(("/api/sessions", _CHILD),)
    ),
    "reopen_session": Story(["session.reopened"], before=((f"{SESSION}/complete", None),)),
    "next_session_command": Story(["interaction.created"], ids={"session_id": "{workflow_id}"}),
    "delete_device": Story(["device.deleted"], ids={"device_id": "{unused_device_id}"}),
    "create_nature": Story(["nature.created"], body={"orchestration_nature_id": "other"}),
    "create_run": Story(["run.created"], body={"device_id": "{device_id}"}),
    "add_run_issue_relations": Story(
        ["run.issue_relations_added"], before=(("/api/runs/{run_id}/issues", _ISSUES),)
    ),
    "add_run_logs": Story(["run.logs_added"], before=(("/api/runs/{run_id}/execs", _EXEC),)),
    "resume_orchestration": Story(
        ["orchestration.resumed"], before=((f"{ORCHESTRATION}/pause", None),)
    ),
    "complete_orchestration": Story(
        ["action.cancelled", "orchestration.completed"],
        before=((ORCHESTRATION + "/actions/{action_id}/cancel", None),),
    ),
    "fail_orchestration": Story([*_WITHDRAWN, "action.cancelled", "orchestration.failed"]),
    "cancel_orchestration": Story([*_WITHDRAWN, "action.cancelled", "orchestration.cancelled"]),
    "remove_orchestration_agent": Story(
        ["orchestration.agent_removed"],
        before=((f"PUT {ORCHESTRATION}/agents/{{agent_id}}", None),),
    ),
    "create_action": Story(["action.created", "decision.requested"], body={"critical": True}),
    "claim_next_action": Story(["orchestration.started", "action.started"]),
    "start_action": Story(["orchestration.started", "action.started"], ids=_PLAIN_ACTION),
    "complete_action": Story(["action.completed"], before=(_START,), ids=_PLAIN_ACTION),
    "fail_action": Story(["action.retried"], before=(_START,), ids=_PLAIN_ACTION),
    "cancel_action": Story(_WITHDRAWN),
    "rollback_action": Story(
        ["action.rolled_back"], before=(_START, (f"{ACTION}/complete", {})), ids=_PLAIN_ACTION
    ),
    "approve_decision": Story(["decision.approved"], ids=_OTHER_DECISION),
    "reject_decision": Story(["decision.rejected", "action.cancelled"], ids=_OTHER_DECISION),
    "import_hook_events": Story(["session.created", "session.completed"]),
    "ingest_hook_event": Story(["agent.registered", "session.created"]),
    "end_agent": Story(["claim.released", "agent.released"]),
    "delete_work_item": Story(["work_item.deleted"], ids={"work_item_key": "SD-0"}),
    "claim_work_item": Story(["claim.released", "claim.granted"], ids={"work_item_key": "SD-0"}),
    "claim_next_work_item": Story(
        ["claim.granted"], before=(("/api/agents/agent-1/release", None),)
    ),
    "complete_work_item": Story(["claim.released", "work_item.completed"]),
}
# Told elsewhere: the event belongs to the new account, or the route needs silence of minutes.
ELSEWHERE = {"create_account", "delete_account", "resume_instance"}
