"""What the walk over all routes sends: a valid body for each, and one row of each kind."""

from typing import Any

from tests.factories import World
from tests.factories.runs import make_device, make_run, post

INTERACTION = {"command": {"module": "Bash", "command": "ls"}}
RESULT = {"status": "ok"}
SLUG = "another-slug"
NATURE = "transform-csv"
MOVE = {"project_id": None}
ORCHESTRATION = {"session_type": "venture_workflow", "chairman_oversight": True}
AGENT = "01a1fdb6-0000-7000-8000-000000000001"
CONFLICT = {
    "work_item_a": "SD-1",
    "work_item_b": "SD-0",
    "conflict_type": "file_overlap",
    "severity": "warning",
}

# A valid body for every operation that takes one.
BODIES: dict[str, Any] = {
    "set_active_project": {"project_id": None},
    "create_account": {"name": "Another", "slug": SLUG},
    "update_account": {"name": "Renamed"},
    "create_member": {"email": "somebody@example.test", "role": "viewer"},
    "update_member": {"role": "viewer"},
    "create_token": {"name": "mine", "scopes": ["read"]},
    "update_token": {"name": "renamed"},
    "create_project": {"name": "Another", "slug": SLUG},
    "update_project": {"name": "Renamed"},
    "create_component": {"name": "Part", "module_name": "Part"},
    "update_component": {"name": "Renamed"},
    "create_session": {"type": "RecordedSessions"},
    "update_session": {"title": "Renamed"},
    "fail_session": {"reason": "because"},
    "move_session": {"project_id": None},
    "append_interactions": INTERACTION,
    "set_interaction_result": RESULT,
    "create_device": {"name": "press"},
    "update_device": {"boundary": "elsewhere"},
    "move_device": MOVE,
    "create_nature": {"orchestration_nature_id": "mine", "nature": "Mine"},
    "update_nature": {"nature": "Renamed"},
    "create_run": {"device_id": "no", "orchestration_nature_id": NATURE, "version": "1"},
    "update_run": {"diagnostics_md": "well"},
    "finish_run": {},
    "move_run": MOVE,
    "add_run_entries": {"ingest_src": "a.csv"},
    "add_run_states": {"from_state": "INITIAL", "to_state": "init"},
    "add_run_execs": {"exec_nature": "shell", "exec_code": "true", "exec_status": 0},
    "add_run_issues": {"issue_type": "t", "issue_message": "m"},
    "add_run_issue_relations": {
        "issue_id_prime": "a",
        "issue_id_rel": "b",
        "relationship_nature": "n",
    },
    "add_run_logs": {"exec_id": "e", "content": "c"},
    "create_orchestration": ORCHESTRATION,
    "update_orchestration": {"objective": "ship"},
    "move_orchestration": MOVE,
    "fail_orchestration": {"message": "because"},
    "cancel_orchestration": {"reason": "because"},
    "create_action": {"event_type": "deploy"},
    "claim_next_action": {"agent_id": AGENT},
    "complete_action": {"result": 1},
    "fail_action": {"error_message": "because"},
    "approve_decision": {"note": "fine"},
    "reject_decision": {"note": "no"},
    "register_instance": {"project": "consilio-s", "instance_type": "PS"},
    "record_instance_heartbeat": {"context_percent": 10},
    "emit_instance_events": {"event_type": "test_passed"},
    "log_instance_commands": {"command_type": "task", "action": "spawn_subagent"},
    "create_checkpoint": {"work_state": {"phase": "implementation"}},
    "update_continuity_settings": {"stale_minutes": 10},
    "register_agent": {"codebase": "/src"},
    "record_agent_heartbeats": {"session_ids": ["agent-1"]},
    "release_claim": {"reason": "manual"},
    "move_agent": MOVE,
    "update_fleet_settings": {"stale_after_seconds": 300},
    "create_work_item": {"key": "SD-2", "title": "Another"},
    "update_work_item": {"title": "Renamed"},
    "claim_work_item": {"session_id": "agent-1"},
    "claim_next_work_item": {"session_id": "agent-1"},
    "complete_work_item": {"fencing_token": 1},
    "move_work_item": MOVE,
    "create_work_item_conflict": CONFLICT,
    "resolve_work_item_conflict": {"resolution_notes": "merged"},
    "ingest_hook_event": {"session_id": "x", "hook_event_name": "SessionStart"},
    "import_hook_events": [{"session_id": "x", "hook_event_name": "SessionStart"}],
}

# Parameters that an operation does not work without.
QUERIES: dict[str, dict[str, str]] = {"can_claim_work_item": {"session_id": "agent-1"}}


async def make_rows(world: World) -> dict[str, Any]:
    """Creates one row of each kind in `world` and returns their ids."""
    client = world.client()
    component = await client.post("/api/components", json=BODIES["create_component"])
    session = await client.post("/api/sessions", json=BODIES["create_session"])
    path = f"/api/sessions/{session.json()['id']}/interactions"
    interaction = await client.post(path, json=INTERACTION)
    me = (await client.get("/api/me")).json()
    members = (await client.get("/api/members")).json()
    device = await make_device(client)
    run = await make_run(client, device_id=device)
    nature = await post(client, "/api/natures", BODIES["create_nature"])
    orchestration = (await post(client, "/api/orchestrations", ORCHESTRATION))["session_id"]
    actions = f"/api/orchestrations/{orchestration}/actions"
    action = await post(client, actions, {"event_type": "deploy", "critical": True})
    [decision] = (await client.get("/api/decisions")).json()["data"]
    instance = await post(client, "/api/instances", BODIES["register_instance"])
    checkpoints = f"/api/instances/{instance['instance_id']}/checkpoints"
    checkpoint = await post(client, checkpoints, BODIES["create_checkpoint"])
    await client.put("/api/agents/agent-1")
    for key in ("SD-0", "SD-1"):
        await post(client, "/api/work-items", {"key": key, "title": key})
    claimed = {"session_id": "agent-1"}
    claim = (await post(client, "/api/work-items/SD-1/claim", claimed, 200))["claim"]
    conflict = await post(client, "/api/work-item-conflicts", CONFLICT)
    return {
        "account_id": world.account_id,
        "project_id": world.project_id,
        "component_id": component.json()["id"],
        "session_id": session.json()["id"],
        "interaction_id": interaction.json()["id"],
        "token_id": me["token"]["id"],
        "member_id": members["data"][0]["id"],
        "agent": "claude-code",
        "device_id": device,
        "run_id": run,
        "nature_id": nature["orchestration_nature_id"],
        "name": "by-device",
        "orchestration_id": orchestration,
        "action_id": action["action_id"],
        "decision_id": decision["decision_id"],
        "agent_id": AGENT,
        "instance_id": instance["instance_id"],
        "checkpoint_id": checkpoint["checkpoint_id"],
        "agent_session_id": "agent-1",
        "work_item_key": "SD-1",
        "claim_id": claim["id"],
        "conflict_id": conflict["id"],
    }
