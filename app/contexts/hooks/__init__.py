"""Hook events of agents, turned into sessions and fleet rows.

Any JSON object is accepted: unknown events and fields are kept.
"""

import contextlib
import datetime
from collections.abc import Callable, Sequence
from typing import Literal

from app.contexts import fleet
from app.contexts.hooks import claude_code, codex, gemini, opencode
from app.contexts.hooks.parsing import Event
from app.contexts.sessions import find_recorded, lock_known, observe
from app.db import Db
from app.errors import Conflict, Invalid, NotFound
from app.schemas.hooks import Observation, Step
from app.scope import Scope

# `nothing`: the event belongs to no session. `outside`: its session lives in another project than
# the token's.
Outcome = Literal["stored", "nothing", "outside"]

_TRANSLATORS: dict[str, Callable[[Event], Observation | None]] = {
    "claude-code": claude_code.translate,
    "codex": codex.translate,
    "gemini": gemini.translate,
    "opencode": opencode.translate,
}


async def ingest_hook_event(
    scope: Scope,
    db: Db,
    agent: str,
    event: object,
    *,
    hostname: str | None = None,
    number: str | None = None,
    at: datetime.datetime | None = None,
) -> Outcome:
    """Store an event, which is also a heartbeat of its agent on the machine `hostname`.

    `number` identifies the event among all of its sender, and `at` is when it happened by the
    sender's clock, where the sender tells them. Raises NotFound for an unknown kind of agent,
    Invalid for an event that is not an object.
    """
    scope.require_write()
    translate = _translator(agent)
    if not isinstance(event, dict):
        raise Invalid.field("", "must be a JSON object")
    seen = translate(event)
    if seen is None:
        return "nothing"
    seen.client = agent
    _identify(seen, number, at)
    recorded = await find_recorded(scope, db, seen.external_id)
    if recorded.outside:
        return "outside"
    if not recorded.ended:
        await _observe_agent(scope, db, seen, hostname)
    elif seen.ended is not None:
        with contextlib.suppress(Conflict, NotFound):
            await fleet.end_agent(scope, db, seen.external_id)
    if await observe(scope, db, seen) is None:
        # Another transaction has just created it; sent again, the event will find it.
        raise Conflict("The session is in another project.", code="key_in_other_project")
    if recorded.ended and not (await find_recorded(scope, db, seen.external_id)).ended:
        # Only the session can tell a new beginning from a repeated one. An agent is usually locked
        # before its session; the deadlock that this order makes possible is tried again.
        await _observe_agent(scope, db, seen, hostname)
    return "stored"


async def _observe_agent(scope: Scope, db: Db, seen: Observation, hostname: str | None) -> None:
    # An agent that is registered in another project is left alone; the session has its own.
    with contextlib.suppress(Conflict):
        await fleet.observe_agent(
            scope,
            db,
            seen.external_id,
            codebase=seen.state.get("cwd"),
            hostname=hostname,
            metadata={"agent": seen.client},
        )
        if seen.ended is not None:
            await fleet.end_agent(scope, db, seen.external_id)


def _identify(seen: Observation, number: str | None, at: datetime.datetime | None) -> None:
    """Give steps without an id of their own the event's number, and all of them its time."""
    for place, step in enumerate(step for step in seen.steps if isinstance(step, Step)):
        step.at = step.at or at
        if number is not None and step.key is None:
            step.replay, step.exact = f"number:{number}/{place}", True


async def import_hook_events(scope: Scope, db: Db, agent: str, events: Sequence[Event]) -> int:
    """Store events of the past, and count those whose session may be written to.

    They add what the hooks missed, and revive neither a session nor its agent. An event that is
    stored already, by an import or a hook, changes nothing.
    """
    scope.require_write()
    translate = _translator(agent)
    observations = _joined([seen for event in events if (seen := translate(event)) is not None])
    for seen in observations:
        seen.client = agent
        for step in seen.steps:
            if isinstance(step, Step):
                step.exact = True  # what a transcript tells twice is one event
    await lock_known(scope, db, [seen.external_id for seen in observations])
    stored = 0
    for seen in observations:
        if await observe(scope, db, seen, live=False) is not None:
            stored += sum(isinstance(step, Step) for step in seen.steps)
    return stored


def _translator(agent: str) -> Callable[[Event], Observation | None]:
    if agent not in _TRANSLATORS:
        raise NotFound
    return _TRANSLATORS[agent]


def _joined(observations: list[Observation]) -> list[Observation]:
    """Join the observations of each session, so that its row is written once. They are sorted,
    because created sessions stay locked: two imports must not wait for each other."""
    joined: dict[str, Observation] = {}
    for seen in observations:
        first = joined.setdefault(seen.external_id, seen)
        if first is not seen:
            first.steps = [*first.steps, *seen.steps]
            first.state = {**first.state, **seen.state}
            first.title = first.title or seen.title
    return [joined[external_id] for external_id in sorted(joined)]
