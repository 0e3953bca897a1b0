"""SQL for sessions as wholes; their histories have statements of their own."""

from collections.abc import Sequence
from typing import NamedTuple

from app.queries import Query, project_wall


class NewSession(NamedTuple):
    """`state` is JSON."""

    account_id: int
    project_id: int | None
    user_id: int | None
    type: str
    agent: str | None = None
    client: str | None = None
    environment: str | None = None
    title: str | None = None
    state: str = "{}"
    component_id: int | None = None
    external_id: str | None = None
    parent_session_id: int | None = None


CREATE = Query(
    NewSession,
    """
    INSERT INTO sessions (account_id, project_id, user_id, type, agent, client, environment, title,
                          state, component_id, external_id, parent_session_id)
    VALUES (:account_id, :project_id, :user_id, :type, :agent, :client, :environment, :title,
            :state::jsonb, :component_id, :external_id, :parent_session_id)
    ON CONFLICT (account_id, external_id) DO NOTHING RETURNING id
    """,
)


class Known(NamedTuple):
    account_id: int
    external_ids: Sequence[str]


# By external_id, as in the fleet: a LIMIT it does not know lets the planner expect few of them.
LOCK_KNOWN = Query(
    Known,
    """
    SELECT FROM (
        SELECT external_id FROM unnest(:external_ids::text[]) AS given (external_id)
        LIMIT cardinality(:external_ids)
    ) AS wanted JOIN sessions AS session ON session.external_id = wanted.external_id
    WHERE session.account_id = :account_id ORDER BY session.id FOR NO KEY UPDATE OF session
    """,
)


class Visible(NamedTuple):
    account_id: int
    external_id: str
    project_id: int | None


FIND_RECORDED = Query(
    Visible,
    f"""
    SELECT id FROM sessions
    WHERE account_id = :account_id AND external_id = :external_id
      AND {project_wall(":project_id")}
    """,  # noqa: S608 - a constant
)


class Reference(NamedTuple):
    """A row of the account by its id."""

    account_id: int
    id: int


DELETE = Query(Reference, "DELETE FROM sessions WHERE account_id = :account_id AND id = :id")


def _detach(column: str, *cleared: str) -> Query[Reference]:
    """Clear references, locking in the order in which every transaction locks several sessions."""
    nulls = ", ".join(f"{name} = NULL" for name in (column, *cleared))
    return Query(
        Reference,
        f"""
        WITH referring AS MATERIALIZED (
            SELECT id FROM sessions WHERE account_id = :account_id AND {column} = :id
            ORDER BY id FOR NO KEY UPDATE
        )
        UPDATE sessions SET {nulls}, version = version + 1, updated_at = clock_timestamp()
        FROM referring WHERE account_id = :account_id AND sessions.id = referring.id
        RETURNING sessions.id, status, project_id, version
        """,  # noqa: S608 - columns named below
    )


DETACH_PROJECT = _detach("project_id", "component_id")
DETACH_COMPONENT = _detach("component_id")
DETACH_PARENT = _detach("parent_session_id")
