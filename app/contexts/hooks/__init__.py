"""Hook events of agents, turned into sessions and fleet rows.

Any JSON object is accepted: unknown events and fields are kept.
"""

import contextlib
from collections.abc import Callable, Sequence
from typing import Literal

from app.contexts import fleet
from app.contexts.hooks import claude_code, codex, gemini, opencode
from app.contexts.hooks.parsing import Event
from app.contexts.sessions import is_outside, lock_known, observe
from app.db import Db
from app.errors import Conflict, Invalid, NotFound
from app.schemas.hooks import Observation
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
    scope: Scope, db: Db, agent: str, event: object, *, hostname: str | None = None
) -> Outcome:
    """Store an event, which is also a heartbeat of its agent on the machine `hostname`.

    Raises NotFound for an unknown kind of agent, Invalid for an event that is not an object.
    """
    scope.require_write()
    translate = _translator(agent)
    if not isinstance(event, dict):
        raise Invalid.field("", "must be a JSON object")
    observation = translate(event)
    if observation is None:
        return "nothing"
    observation.client = agent
    session_id = observation.external_id
    if await is_outside(scope, db, session_id):
        return "outside"
    # An agent that is registered in another project is left alone; the session has its own.
    with contextlib.suppress(Conflict):
        await fleet.observe_agent(
            scope,
            db,
            session_id,
            codebase=observation.state.get("cwd"),
            hostname=hostname,
            metadata={"agent": agent},
        )
        if observation.ended is not None:
            await fleet.end_agent(scope, db, session_id)
    if await observe(scope, db, observation) is None:
        # Another transaction has just created it; sent again, the event will find it.
        raise Conflict("The session is in another project.", code="key_in_other_project")
    return "stored"


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
    await lock_known(scope, db, [seen.external_id for seen in observations])
    stored = 0
    for seen in observations:
        if await observe(scope, db, seen, live=False) is not None:
            stored += len(seen.steps)
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
