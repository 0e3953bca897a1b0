"""Development sessions and their history of interactions."""

from app.contexts.sessions.history import Window
from app.contexts.sessions.interactions import (
    append_interactions,
    get_interaction,
    list_interactions,
    set_result,
)
from app.contexts.sessions.recorded import is_outside, observe
from app.contexts.sessions.sessions import (
    SessionFilter,
    cancel_session,
    complete_session,
    create_session,
    delete_session,
    fail_session,
    get_session,
    list_sessions,
    move_session,
    reopen_session,
    update_session,
)

__all__ = [
    "SessionFilter",
    "Window",
    "append_interactions",
    "cancel_session",
    "complete_session",
    "create_session",
    "delete_session",
    "fail_session",
    "get_interaction",
    "get_session",
    "is_outside",
    "list_interactions",
    "list_sessions",
    "move_session",
    "observe",
    "reopen_session",
    "set_result",
    "update_session",
]
