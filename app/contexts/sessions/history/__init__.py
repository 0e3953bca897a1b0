"""The history of a session: locks, reads and writes; how it is laid out stays in here."""

from app.contexts.sessions.history.documents import (
    digest,
    normal,
    stored_interaction,
    stored_result,
    without_marks,
)
from app.contexts.sessions.history.history import (
    Window,
    find,
    find_in_all,
    find_last,
    name,
    read,
    read_stored,
)
from app.contexts.sessions.history.locking import (
    Locked,
    LockedSession,
    SessionRow,
    lock_counters,
    lock_external,
    lock_facts,
    lock_free,
    lock_row,
)
from app.contexts.sessions.history.statements import Storing
from app.contexts.sessions.history.writes import (
    Extension,
    number,
    storing_all,
    write,
    write_all,
)

__all__ = [
    "Extension",
    "Locked",
    "LockedSession",
    "SessionRow",
    "Storing",
    "Window",
    "digest",
    "find",
    "find_in_all",
    "find_last",
    "lock_counters",
    "lock_external",
    "lock_facts",
    "lock_free",
    "lock_row",
    "name",
    "normal",
    "number",
    "read",
    "read_stored",
    "stored_interaction",
    "stored_result",
    "storing_all",
    "without_marks",
    "write",
    "write_all",
]
