"""Many agents at once, some of which die: nobody ever shares a work item.

`FLEET_STORM_SECONDS` makes the storm longer.
"""

import asyncio
import collections
import itertools
import os
import random
from typing import Any

from app.contexts import fleet
from app.errors import Conflict
from app.schemas.fleet import (
    AgentRegister,
    FleetSettingsUpdate,
    Granted,
    WorkItemClaim,
    WorkItemCreate,
    WorkItemUpdate,
)
from tests.factories import World

SECONDS = float(os.environ.get("FLEET_STORM_SECONDS", "8"))
AGENTS, ITEMS = 200, 20
EXPECTED = {
    "agent_released",
    "already_claimed",
    "claim_lost",
    "conflict",
    "no_claim",
    "work_item_closed",
}
# In one statement, which sees one moment: who holds what, by the claims and by the agents.
DISAGREEMENTS = """
SELECT count(*) FROM claude_sessions AS agent
FULL JOIN (SELECT * FROM claims WHERE released_at IS NULL) AS claim
    ON claim.session_id = agent.session_id
WHERE agent.sd_id IS DISTINCT FROM claim.work_item
   OR (agent.status = 'active') <> (claim.id IS NOT NULL)
"""


# As many as the pool has connections: waiting for one of these never times out.
TURNS = asyncio.Semaphore(9)


async def call(world: World, name: str, *arguments: Any) -> Any:
    scope = world.scope()
    async with TURNS, world.db(scope) as db:
        return await getattr(fleet, name)(scope, db, *arguments)


async def make(world: World, agents: int, items: int) -> tuple[list[str], list[str]]:
    names = [f"agent-{n}" for n in range(agents)]
    keys = [f"item-{n}" for n in range(items)]
    for name in names:
        await call(world, "observe_agent", name)
    for number, key in enumerate(keys):
        item = WorkItemCreate(key=key, title=key, track="ABC"[number % 3])  # type: ignore[arg-type]
        await call(world, "create_work_item", item)
    return names, keys


async def test_fifty_agents_at_once_get_fifty_items(world: World) -> None:
    names, keys = await make(world, 50, 50)
    answers = await asyncio.gather(*(call(world, "claim_next_work_item", name) for name in names))
    assert sorted(answer.claim.work_item for answer in answers) == sorted(keys)


async def test_an_item_that_was_lost_once_is_not_shared(world: World) -> None:
    """All agents want the item of one that has just become stale."""
    names, keys = await make(world, 20, 1)
    await call(world, "claim_work_item", keys[0], WorkItemClaim(session_id=names[0]))
    async with world.db() as db:
        await db.driver.execute(
            "UPDATE claude_sessions SET heartbeat_at = now() - interval '1 h' WHERE sd_id = $1",
            keys[0],
        )
    answers = await asyncio.gather(
        call(world, "mark_stale_agents"),
        *(call(world, "claim_next_work_item", name) for name in names[1:]),
    )
    assert len([answer for answer in answers[1:] if answer is not None]) == 1
    async with world.db() as db:
        assert await db.driver.fetchval(DISAGREEMENTS) == 0


class Storm:
    def __init__(self, world: World, names: list[str], keys: list[str]) -> None:
        self.world = world
        self.names = names
        self.keys = keys
        self.claims: set[int] = set()
        self.done: collections.Counter[str] = collections.Counter()
        self.over = asyncio.get_running_loop().time() + SECONDS

    @property
    def rages(self) -> bool:
        return asyncio.get_running_loop().time() < self.over

    async def run(self) -> None:
        await asyncio.gather(*(self.live(name) for name in self.names), self.sweep(), self.watch())

    async def live(self, name: str) -> None:
        chance = random.Random(name)
        while self.rages:
            act = chance.choices(
                ("beat", "next", "claim", "force", "release", "complete", "die", "end"),
                (30, 20, 20, 3, 10, 4, 8, 3),
            )[0]
            self.done[act] += 1
            try:
                await self.act(act, name, chance.choice(self.keys))
            except Conflict as conflict:
                if conflict.code not in EXPECTED:
                    raise
                self.done[conflict.code] += 1
                if conflict.code == "agent_released":
                    await call(self.world, "register_agent", name, AgentRegister())
            await asyncio.sleep(chance.random() / 10)

    async def act(self, act: str, name: str, key: str) -> None:
        if act == "beat":
            await call(self.world, "record_agent_heartbeat", name)
        elif act == "next":
            self.note(await call(self.world, "claim_next_work_item", name))
        elif act in {"claim", "force"}:
            wanted = WorkItemClaim(session_id=name, force=act == "force")
            self.note(await call(self.world, "claim_work_item", key, wanted))
        elif act == "release":
            await call(self.world, "release_claim", name)
        elif act == "complete":
            await call(self.world, "complete_work_item", key)
            await call(self.world, "update_work_item", key, WorkItemUpdate(status="open"))
        elif act == "die":
            await asyncio.sleep(1.5)
        else:
            await call(self.world, "end_agent", name)

    def note(self, granted: Granted | None) -> None:
        if granted is not None:
            self.claims.add(granted.claim.id)

    async def sweep(self) -> None:
        while self.rages:
            self.done["swept"] += await call(self.world, "mark_stale_agents")
            await asyncio.sleep(0.2)

    async def watch(self) -> None:
        while self.rages:
            async with self.world.db() as db:
                assert await db.driver.fetchval(DISAGREEMENTS) == 0
            self.done["watched"] += 1
            await asyncio.sleep(0.05)


async def test_a_storm(world: World) -> None:
    names, keys = await make(world, AGENTS, ITEMS)
    await call(world, "update_fleet_settings", FleetSettingsUpdate(stale_after_seconds=1))
    storm = Storm(world, names, keys)
    await storm.run()
    async with world.db() as db:
        rows = await db.driver.fetch("SELECT * FROM claims ORDER BY work_item, fencing_token")
        items = await db.driver.fetch("SELECT key, fencing_token FROM work_items")
        told = await db.driver.fetch(
            "SELECT name, count(*) FROM feed_events WHERE entity_kind = 'claim' GROUP BY name"
        )
        assert await db.driver.fetchval(DISAGREEMENTS) == 0
    print(f"\n{len(rows)} claims in {SECONDS:.0f} s, {dict(storm.done)}")  # noqa: T201 - shown by -s
    events, last = ({row[0]: row[1] for row in found} for found in (told, items))
    # All that was granted is in the history, and nothing else; each end was told once.
    assert rows
    assert {row["id"] for row in rows} == storm.claims
    assert events["claim.granted"] == len(rows)
    assert events["claim.released"] == sum(row["released_at"] is not None for row in rows)
    for key, group in itertools.groupby(rows, key=lambda row: row["work_item"]):
        history = list(group)
        assert [row["fencing_token"] for row in history] == list(range(1, last[key] + 1))
        require_one_after_another(history)
    for name in names:
        own = [row for row in rows if row["session_id"] == name]
        require_one_after_another(sorted(own, key=lambda row: row["claimed_at"]))


def require_one_after_another(history: list[Any]) -> None:
    for before, after in itertools.pairwise(history):
        assert before["claimed_at"] <= before["released_at"] <= after["claimed_at"]
