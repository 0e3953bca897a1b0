"""The life of a session: created, changed, ended, reopened, the same way for every kind of write.

REST verbs, hooks, workflows and the deletion of a project all come through here, so each makes one
version and the same events.
"""

from collections.abc import Sequence
from typing import Any

from app.cleaning import is_same, merge_patch
from app.contexts.sessions import history
from app.contexts.sessions.events import interaction_event, session_event
from app.contexts.sessions.history import Locked
from app.contexts.sessions.statements import CREATE, NewSession
from app.db import Db
from app.errors import Conflict
from app.schemas.sessions import StoredInteraction
from app.scope import Scope


def session_ended(status: str) -> Conflict:
    return Conflict(
        f"The session has ended ({status}).", code="session_ended", session_status=status
    )


class SessionChange:
    """One write's effect on a session's row, and the events that tell of it."""

    def __init__(self, locked: Locked) -> None:
        self._before = locked.row
        self.row = locked.row
        self.events: list[str] = []

    @property
    def is_empty(self) -> bool:
        """Whether the row keeps all its values; to `==` alone, `True` and 1 are equal."""
        return self.row == self._before and is_same(self.row.state, self._before.state)

    def complete(self, reason: dict[str, Any] | None = None) -> None:
        """Raises Conflict `session_ended`."""
        self._end("complete", "session.completed", reason)

    def fail(self, reason: dict[str, Any]) -> None:
        """Raises Conflict `session_ended`."""
        self._end("failed", "session.failed", reason)

    def cancel(self, message: str | None) -> None:
        """The seed has three statuses: a cancelled session is failed, and `state.ended` says why.

        Raises Conflict `session_ended`.
        """
        reason = {"reason": "cancelled"} | ({} if message is None else {"message": message})
        self._end("failed", "session.cancelled", reason)

    def reopen(self) -> None:
        state = merge_patch(self.row.state, {"ended": None})
        self.row = self.row._replace(status="active", state=state)
        self.events.append("session.reopened")

    def wait_for_person(
        self,
        kind: str,
        message: str,
        since: str,
        *,
        call: str | None = None,
        agent_id: str | None = None,
    ) -> None:
        """Wait from the first event on, however many announce it.

        `call` and `agent_id` tell which tool call of which subagent waits; a later event that does
        not name them leaves them as they are.
        """
        before = self.row.needs_input or {}
        waiting = {"kind": kind, "message": message, "since": before.get("since", since)}
        for name, value in (("call", call), ("agent_id", agent_id)):
            if (known := value or before.get(name)) is not None:
                waiting[name] = known
        if waiting != before:
            self.row = self.row._replace(needs_input=waiting)
            self.events.append("session.needs_input")

    def resume(self) -> None:
        """End the wait for a person, if there is one."""
        if self.row.needs_input is not None:
            self.row = self.row._replace(needs_input=None)
            self.events.append("session.resumed")

    def edit(self, **values: Any) -> None:
        """Set fields of `SessionRow` that have no event of their own."""
        self.row = self.row._replace(**values)

    def move(self, project_id: int | None) -> None:
        """Put the session into another project; its component stays behind."""
        if self.row.project_id != project_id:
            self.row = self.row._replace(project_id=project_id, component_id=None)
        self.events.append("session.moved")

    def _end(self, status: str, event: str, reason: dict[str, Any] | None) -> None:
        if self.row.status != "active":
            raise session_ended(self.row.status)
        state = self.row.state if reason is None else {**self.row.state, "ended": reason}
        self.row = self.row._replace(status=status, state=state, needs_input=None)
        self.events.append(event)


async def create(scope: Scope, db: Db, new: NewSession) -> int | None:
    """Store a new session and return its id; None if the account has its `external_id` already."""
    session_id: int | None = await db.driver.fetchval(*CREATE(new))
    if session_id is not None:
        db.events.append(
            session_event(
                scope,
                "session.created",
                session_id,
                project_id=new.project_id,
                status="active",
                version=1,
            )
        )
    return session_id


async def apply(
    scope: Scope,
    db: Db,
    locked: Locked,
    change: SessionChange | None = None,
    *,
    new: Sequence[StoredInteraction] = (),
    changed: Sequence[StoredInteraction] = (),
    last: bool = False,
) -> None:
    """Store a write's changes, its `new` interactions and its `changed` ones as one new version.

    With `last` it is the transaction's last statement.
    """
    history.number(locked.session, new)
    for interactions in [*([document] for document in changed), new]:
        if interactions:
            db.events.append(interaction_event(scope, locked.session, interactions))
    if change is not None:
        for name in change.events or ["session.updated"]:
            db.events.append(
                session_event(
                    scope,
                    name,
                    locked.session.id,
                    project_id=change.row.project_id,
                    status=change.row.status,
                    version=locked.session.version + 1,
                )
            )
    row = None if change is None else change.row
    await history.write(scope, db, locked, new=new, changed=changed, row=row, last=last)
