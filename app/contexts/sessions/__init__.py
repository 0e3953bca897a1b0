"""Development sessions and their history of interactions."""

from app.contexts.sessions.appending.guesses import Memory
from app.contexts.sessions.appending.plan import (
    Appended,
    Outdated,
    Plan,
    Posting,
    append_interactions,
    append_together,
    foresee,
)
from app.contexts.sessions.history.history import Window
from app.contexts.sessions.history.interactions import get_interaction, list_interactions
from app.contexts.sessions.listing import (
    SessionFilter,
    get_session,
    is_outside,
    list_sessions,
)
from app.contexts.sessions.observing.observe import lock_known, observe
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
from app.contexts.sessions.workflow.progress import next_command, set_result

__all__ = [
    "Appended",
    "Memory",
    "Outdated",
    "Plan",
    "Posting",
    "SessionFilter",
    "Window",
    "append_interactions",
    "append_together",
    "cancel_session",
    "complete_session",
    "create_session",
    "delete_session",
    "fail_session",
    "foresee",
    "get_interaction",
    "get_session",
    "is_outside",
    "list_interactions",
    "list_sessions",
    "lock_known",
    "move_session",
    "next_command",
    "observe",
    "reopen_session",
    "session_types",
    "set_result",
    "update_session",
]
