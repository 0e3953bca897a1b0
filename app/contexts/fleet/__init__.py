"""Which agents are alive, where, and which work item each of them holds."""

from app.contexts.fleet.agents import (
    AgentFilter,
    get_agent,
    list_agents,
    move_agent,
    observe_agent,
    record_agent_heartbeat,
    record_agent_heartbeats,
    register_agent,
)
from app.contexts.fleet.claims import (
    ClaimFilter,
    can_claim_work_item,
    claim_next_work_item,
    claim_work_item,
    get_claim,
    list_claims,
)
from app.contexts.fleet.conflicts import (
    ConflictFilter,
    create_work_item_conflict,
    get_work_item_conflict,
    list_work_item_conflicts,
    resolve_work_item_conflict,
)
from app.contexts.fleet.releasing import end_agent, mark_stale_agents, release_claim
from app.contexts.fleet.settings import get_fleet_settings, update_fleet_settings
from app.contexts.fleet.work_items import (
    WorkItemFilter,
    complete_work_item,
    create_work_item,
    delete_work_item,
    get_work_item,
    list_tracks,
    list_work_items,
    move_work_item,
    update_work_item,
)

__all__ = [
    "AgentFilter",
    "ClaimFilter",
    "ConflictFilter",
    "WorkItemFilter",
    "can_claim_work_item",
    "claim_next_work_item",
    "claim_work_item",
    "complete_work_item",
    "create_work_item",
    "create_work_item_conflict",
    "delete_work_item",
    "end_agent",
    "get_agent",
    "get_claim",
    "get_fleet_settings",
    "get_work_item",
    "get_work_item_conflict",
    "list_agents",
    "list_claims",
    "list_tracks",
    "list_work_item_conflicts",
    "list_work_items",
    "mark_stale_agents",
    "move_agent",
    "move_work_item",
    "observe_agent",
    "record_agent_heartbeat",
    "record_agent_heartbeats",
    "register_agent",
    "release_claim",
    "resolve_work_item_conflict",
    "update_fleet_settings",
    "update_work_item",
]
