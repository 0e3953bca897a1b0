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
from app.contexts.fleet.holding import end_agent, mark_stale_agents, release_claim

__all__ = [
    "AgentFilter",
    "end_agent",
    "get_agent",
    "list_agents",
    "mark_stale_agents",
    "move_agent",
    "observe_agent",
    "record_agent_heartbeat",
    "record_agent_heartbeats",
    "register_agent",
    "release_claim",
]
