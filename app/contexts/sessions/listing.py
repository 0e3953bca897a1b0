"""Sessions as lists show them: without their history, and without the ORM, which would take most of
the time of a page."""

import datetime
from typing import Any, NamedTuple

import asyncpg
import msgspec

from app.db import Db
from app.errors import Invalid
from app.models import Session
from app.paging import PageRequest, decode_cursor, encode_cursor
from app.queries import project_wall
from app.schemas.base import Page
from app.schemas.sessions import InteractionSummary, NeedsInput, SessionSummary
from app.scope import Scope

_JSON: dict[str, msgspec.json.Decoder[Any]] = {
    "state": msgspec.json.Decoder(dict[str, Any]),
    "needs_input": msgspec.json.Decoder(NeedsInput),
    "last_interaction": msgspec.json.Decoder(InteractionSummary),
}
_COLUMNS = SessionSummary.__struct_fields__
_DECODERS = [(_COLUMNS.index(name), decoder.decode) for name, decoder in _JSON.items()]
# As text: the driver would decode to dictionaries what is decoded to structs here.
_SELECTED = ", ".join(f"{name}::text" if name in _JSON else name for name in _COLUMNS)
_SELECT = f"SELECT {_SELECTED} FROM sessions WHERE account_id = $1"  # noqa: S608 - our own columns
_SELECT_ONE = f"{_SELECT} AND id = $2 AND {project_wall('$3')}"
_RECORDED = """
SELECT project_id, status FROM sessions WHERE account_id = $1 AND external_id = $2
"""


class SessionFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Every field that is not None narrows the list."""

    status: list[str] | None = None
    type: str | None = None
    agent: str | None = None
    client: str | None = None
    environment: str | None = None
    component_id: int | None = None
    project_id: int | None = None
    user_id: int | None = None
    external_id: str | None = None
    needs_input: bool | None = None
    updated_after: datetime.datetime | None = None
    q: str | None = None


# `{}` is the place of the value. Under row security no index serves `q`: it filters what the other
# conditions leave.
_CONDITIONS = {
    "status": "status = ANY({})",
    "needs_input": "(needs_input IS NOT NULL) = {}",
    "updated_after": "updated_at > {}",
    "q": "position(lower({}) IN lower(coalesce(title, ''))) > 0",
}


async def list_sessions(
    scope: Scope,
    db: Db,
    request: PageRequest,
    filters: SessionFilter,
    *,
    by_id: bool = False,
) -> Page[SessionSummary]:
    """Newest `updated_at` first. A session that changes while one pages can be missed or met
    twice; `by_id` pages over what never changes instead.

    Raises Invalid for a `project_id` filter in a Scope that has a project.
    """
    if filters.project_id is not None and scope.project_id is not None:
        raise Invalid.field("project_id", "filters only account-wide requests (X-Project: *)")
    statement, parameters = _SELECT, list[Any]([scope.account_id])
    wanted = msgspec.structs.asdict(filters)
    if scope.project_id is not None:
        wanted["project_id"] = scope.project_id
    for name, value in wanted.items():
        if value is not None and value != []:
            parameters.append(value)
            condition = _CONDITIONS.get(name, f"{name} = {{}}")
            statement += f" AND {condition.format(f'${len(parameters)}')}"
    keys = [Session.id] if by_id else [Session.updated_at, Session.id]
    if request.cursor is not None:
        position = decode_cursor(request.cursor, keys)
        places = ", ".join(f"${len(parameters) + n}" for n in range(1, len(keys) + 1))
        statement += f" AND ({', '.join(key.key for key in keys)}) < ({places})"
        parameters += position
    order = ", ".join(f"{key.key} DESC" for key in keys)
    statement += f" ORDER BY {order} LIMIT {request.limit + 1:d}"
    rows = await db.driver.fetch(statement, *parameters)
    page = [_summary(row) for row in rows[: request.limit]]
    more = len(rows) > request.limit
    return Page(page, encode_cursor(page[-1], keys) if more else None)


async def get_session(scope: Scope, db: Db, session_id: int) -> SessionSummary:
    """Raises NotFound."""
    row = await db.fetch_one(_SELECT_ONE, scope.account_id, session_id, scope.strict_project_id)
    return _summary(row)


class Recorded(NamedTuple):
    """A session with an agent's own id: whether it lies outside a strict scope's project, and
    whether it has ended."""

    outside: bool
    ended: bool


async def find_recorded(scope: Scope, db: Db, external_id: str) -> Recorded:
    """Look at a session without locking it; one that does not exist is neither."""
    found = await db.driver.fetchrow(_RECORDED, scope.account_id, external_id)
    if found is None:
        return Recorded(outside=False, ended=False)
    outside = scope.strict and found["project_id"] != scope.project_id
    return Recorded(outside, found["status"] != "active")


def _summary(row: asyncpg.Record) -> SessionSummary:
    values = [*row]
    for place, decode in _DECODERS:
        if values[place] is not None:
            values[place] = decode(values[place])
    return SessionSummary(*values)
