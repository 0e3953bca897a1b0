"""Long-running agents that survive restarts: registry, logs, checkpoints, resume."""

from app.contexts.continuity.checkpoints import (
    create_checkpoint,
    get_checkpoint,
    get_latest_checkpoint,
    list_checkpoints,
    search_checkpoints,
)
from app.contexts.continuity.commands import (
    CommandFilter,
    log_instance_commands,
    search_instance_commands,
)
from app.contexts.continuity.events import (
    EVENT_TYPES,
    EventFilter,
    emit_instance_events,
    list_instance_events,
    search_instance_events,
)
from app.contexts.continuity.instances import (
    CHECKPOINT_ADVISED_PERCENT,
    InstanceFilter,
    close_instance,
    delete_instance,
    detach_instances,
    find_instance,
    get_instance,
    list_instances,
    register_instance,
)
from app.contexts.continuity.liveness import mark_stale_instances, record_instance_heartbeat
from app.contexts.continuity.replay import replay_instance_events
from app.contexts.continuity.resume import restore_checkpoint, resume_instance
from app.contexts.continuity.retention import delete_expired, list_expired
from app.contexts.continuity.settings import get_continuity_settings, update_continuity_settings
from app.contexts.continuity.timeline import list_instance_timeline

__all__ = [
    "CHECKPOINT_ADVISED_PERCENT",
    "EVENT_TYPES",
    "CommandFilter",
    "EventFilter",
    "InstanceFilter",
    "close_instance",
    "create_checkpoint",
    "delete_expired",
    "delete_instance",
    "detach_instances",
    "emit_instance_events",
    "find_instance",
    "get_checkpoint",
    "get_continuity_settings",
    "get_instance",
    "get_latest_checkpoint",
    "list_checkpoints",
    "list_expired",
    "list_instance_events",
    "list_instance_timeline",
    "list_instances",
    "log_instance_commands",
    "mark_stale_instances",
    "record_instance_heartbeat",
    "register_instance",
    "replay_instance_events",
    "restore_checkpoint",
    "resume_instance",
    "search_checkpoints",
    "search_instance_commands",
    "search_instance_events",
    "update_continuity_settings",
]
