"""The session types of this server, by their short names.

An installed package adds its own through the entry point group `agent_sessions.session_types`: the
name of the type, and where its `SessionType` is.
"""

from functools import cache
from importlib.metadata import EntryPoint, entry_points

import msgspec
import structlog

from app.contexts.sessions.types.component_coding import COMPONENT_CODING
from app.contexts.sessions.types.component_test import COMPONENT_TEST
from app.contexts.sessions.types.definition import (
    Handled,
    SessionType,
    Step,
    StepCommand,
    StepContext,
)
from app.contexts.sessions.types.design import COMPONENT_DESIGN, CONTEXT_DESIGN
from app.contexts.sessions.types.integration import INTEGRATION
from app.contexts.sessions.types.shell import script
from app.contexts.sessions.types.steps import FINALIZE, INITIALIZE, generate, repair
from app.errors import Invalid, SessionTypeFailed
from app.schemas.sessions import ResultInput

__all__ = [
    "FINALIZE",
    "INITIALIZE",
    "RECORDED",
    "Handled",
    "ResultInput",
    "SessionType",
    "Step",
    "StepCommand",
    "StepContext",
    "generate",
    "get_session_type",
    "has_workflow",
    "repair",
    "require_session_type",
    "script",
    "session_types",
]

GROUP = "agent_sessions.session_types"
RECORDED = "RecordedSessions"

_OURS = (
    CONTEXT_DESIGN,
    COMPONENT_DESIGN,
    COMPONENT_TEST,
    COMPONENT_CODING,
    INTEGRATION,
    SessionType(
        name=RECORDED,
        title="Recorded",
        description="Records what an agent does by itself.",
    ),
)
_log = structlog.get_logger()


@cache
def session_types() -> dict[str, SessionType]:
    """List the built-in types, then those of packages. A package that fails to load is left out
    with a warning in the log, so that it cannot stop the server."""
    types = {ours.name: ours for ours in _OURS}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        try:
            found = _load(entry)
            if found.name in types:
                raise ValueError("another session type has this name")
        except (Exception, SystemExit) as error:  # noqa: BLE001 - anything may happen in an import
            _log.warning("session type left out", entry=entry.name, reason=str(error))
        else:
            types[found.name] = found
    return types


def require_session_type(name: str) -> None:
    """Raises Invalid listing the known types."""
    if name not in session_types():
        raise Invalid.field("type", f"must be one of {', '.join(session_types())}")


def get_session_type(name: str) -> SessionType:
    """Raises SessionTypeFailed for a session whose type is no longer installed."""
    found = session_types().get(name)
    if found is None:
        raise SessionTypeFailed(f"The session type {name} is not installed on this server.")
    return found


def has_workflow(name: str) -> bool:
    """Whether steps drive sessions of this type; assumed of a type that is no longer installed."""
    found = session_types().get(name)
    return found is None or bool(found.steps)


def _load(entry: EntryPoint) -> SessionType:
    found = entry.load()
    if not isinstance(found, SessionType):
        raise TypeError(f"{entry.value} is not a SessionType")
    if found.name != entry.name:
        raise ValueError(f"the entry point is called {entry.name}, the type {found.name}")
    # msgspec does not check fields when a struct is constructed.
    checked = msgspec.convert(msgspec.structs.asdict(found), SessionType)
    if (problem := checked.problem()) is not None:
        raise ValueError(problem)
    return found
