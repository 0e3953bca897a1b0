"""The rules of claiming: what they need is read at one moment, then judged."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from app.contexts.fleet.statements import BUSY, ITEM, NEIGHBOURS
from app.db import Db
from app.schemas.fleet import Claimable, Notice
from app.scope import Scope


class Item(NamedTuple):
    """A work item with its live claim; `session_id` is None when it has none."""

    key: str
    project_id: int | None
    status: str
    track: str
    is_ready: bool
    session_id: str | None
    age: float | None
    stale: bool | None


class Situation(NamedTuple):
    """Everything that decides about one claim, read at one moment."""

    item: Item
    neighbours: list[Any]
    """Work items in conflict with it, each with its holder if the holder is alive."""
    busy: Any | None
    """Another agent that works on the same track."""
    asking: str

    @property
    def own(self) -> bool:
        return self.item.session_id == self.asking

    def rivals(self, *, force: bool) -> set[str]:
        """The agent that would lose the item, if any."""
        holder = self.item.session_id
        return {holder} if holder and not self.own and (force or self.item.stale) else set()

    def blocking(self) -> set[str]:
        """The items that must not be claimed at the same time as this one."""
        return {n["key"] for n in self.neighbours if n["severity"] == "blocking"}


async def look(scope: Scope, db: Db, key: str, session_id: str) -> Situation:
    """Reads what decides about a claim. Raises NotFound for an item that is not visible."""
    parameters = (scope.account_id, key, scope.strict_project_id)
    item = Item(**await db.fetch_one(ITEM, *parameters))
    neighbours = await db.driver.fetch(NEIGHBOURS, *parameters)
    busy = None
    if item.track != "STANDALONE":
        busy = await db.driver.fetchrow(
            BUSY, scope.account_id, item.track, scope.strict_project_id, session_id
        )
    return Situation(item, neighbours, busy, session_id)


def judge(situation: Situation, *, force: bool) -> Claimable:
    """Decides about a claim. With `force` a live holder loses the item."""
    item = situation.item
    found = Claimable(can_claim=True, blocking_reasons=[], warnings=[], info=[])
    if item.status != "open":
        message = f"The work item is {item.status}."
        found.blocking_reasons.append(notice("work_item_closed", message, item.key))
        return found
    if situation.own:
        message = "The agent already holds the work item."
        found.info.append(notice("already_held", message, item.key, item.session_id))
        return found
    found.blocking_reasons += _about_holder(item, found, force=force)
    _about_neighbours(situation, found)
    if not item.is_ready:
        message = "The work item is not marked as ready."
        found.warnings.append(notice("not_ready", message, item.key))
    if situation.busy is not None:
        busy = situation.busy
        message = f"Another agent works on track {item.track}."
        found.warnings.append(_rival("track_busy", message, busy))
    found.can_claim = not found.blocking_reasons
    return found


def _about_holder(item: Item, found: Claimable, *, force: bool) -> Iterable[Notice]:
    if item.session_id is None:
        return
    who = (item.key, item.session_id, item.age)
    if item.stale:
        message = "The holder is stale and would lose the work item."
        found.info.append(notice("takes_over", message, *who))
    elif not force:
        message = (
            f"The agent {item.session_id} holds the work item; its last heartbeat was"
            f" {item.age:.0f} s ago."
        )
        yield notice("already_claimed", message, *who)


def _about_neighbours(situation: Situation, found: Claimable) -> None:
    """Adds the conflicting items that other agents are working on."""
    places = {
        "blocking": found.blocking_reasons,
        "warning": found.warnings,
        "info": found.info,
    }
    for neighbour in situation.neighbours:
        if neighbour["session_id"] not in {None, situation.asking}:
            other = neighbour["key"] if neighbour["visible"] else "an item of another project"
            message = f"{situation.item.key} is in conflict with {other}"
            kind = neighbour["conflict_type"]
            places[neighbour["severity"]].append(
                _rival("conflict", f"{message} ({kind}), which is being worked on.", neighbour)
            )


def _rival(code: str, message: str, rival: Any) -> Notice:
    """Says nothing about rows that the caller cannot see."""
    if not rival["visible"]:
        return notice(code, message)
    return notice(code, message, rival["key"], rival["session_id"], rival["age"])


def notice(
    code: str,
    message: str,
    work_item: str | None = None,
    session_id: str | None = None,
    age: Any = None,
) -> Notice:
    return Notice(
        code=code,
        message=message,
        work_item=work_item,
        session_id=session_id,
        heartbeat_age_seconds=None if age is None else round(float(age), 3),
    )
