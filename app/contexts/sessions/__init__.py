"""Development sessions and their history of interactions."""

from app.contexts.sessions.appending import Appended, AppendQueue, append_interactions
from app.contexts.sessions.history import Window
from app.contexts.sessions.history.interactions import get_interaction, list_interactions
from app.contexts.sessions.listing import (
    SessionFilter,
    find_recorded,
    get_session,
    list_sessions,
)
from app.contexts.sessions.observing import lock_known, observe
from app.contexts.sessions.references import detach_component, detach_project
from app.contexts.sessions.sessions import (
    cancel_session,
    complete_session,
    create_session,
    delete_session,
    fail_session,
    move_session,
    reopen_session,
    update_session,
)
from app.contexts.sessions.types import session_types
from app.contexts.sessions.workflow import next_session_command, set_interaction_result

__all__ = [
    "AppendQueue",
    "Appended",
    "SessionFilter",
    "Window",
    "append_interactions",
    "cancel_session",
    "complete_session",
    "create_session",
    "delete_session",
    "detach_component",
    "detach_project",
    "fail_session",
    "find_recorded",
    "get_interaction",
    "get_session",
    "list_interactions",
    "list_sessions",
    "lock_known",
    "move_session",
    "next_session_command",
    "observe",
    "reopen_session",
    "session_types",
    "set_interaction_result",
    "update_session",
]
