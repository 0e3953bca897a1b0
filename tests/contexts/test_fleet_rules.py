"""The rules that SQL and Python must both know agree, on boards made at random.

Whether an item can be claimed is judged for one claim, ranked for a list and searched for the next
claim; whether an agent is stale is asked by all of them, by the registry and by the sweep.
"""

import random
from typing import Any

import pytest

from app.contexts import fleet
from app.db import Db
from app.engine import to_jsonb
from app.paging import PageRequest
from app.schemas.fleet import Claimable
from app.scope import Scope
from tests.factories import World

LIMITS = (60, 300)
# In seconds, on both sides of either limit; negative is from before the clock was set back.
AGES = (-30, 0, 50, 70, 290, 310)
TRACKS = ("A", "B", "STANDALONE")
# Status, module and result of the newest interaction, and its age; only the first is working.
RUNNING = ("active", "Bash", None, 3000)
SESSIONS = (
    RUNNING,
    ("active", "Bash", "ok", 10),
    ("active", "UserPrompt", None, 10),
    ("complete", "Bash", None, 10),
    ("active", "Bash", None, 3700),
)
ITEMS, AGENTS = [f"item-{n}" for n in range(8)], [f"agent-{n}" for n in range(5)]
ASKING = "asking"


class Board:
    """Random items, some held by agents, some of which are stale; and conflicts between items."""

    def __init__(self, seed: int) -> None:
        chance = random.Random(seed)
        self.limit = chance.choice(LIMITS)
        self.items = [
            (
                key,
                chance.choice(("open", "open", "open", "done", "cancelled")),
                chance.choice(TRACKS),
                chance.randrange(3),
                chance.random() < 0.8,
            )
            for key in ITEMS
        ]
        held = chance.sample([key for key, status, *_ in self.items if status == "open"], 2)
        holders = chance.sample(AGENTS, len(held))
        self.holding = dict(zip(holders, held, strict=True))
        self.agents = {
            name: (
                chance.choice(("stale", "alive", "alive", "alive"))
                if name in self.holding
                else chance.choice(("stale", "alive", "released")),
                chance.choice(AGES),
            )
            for name in AGENTS
        }
        self.conflicts = {
            tuple(sorted(chance.sample(ITEMS, 2))): (
                chance.choice(("blocking", "blocking", "warning", "info")),
                chance.random() < 0.2,
            )
            for _ in range(4)
        }

        # What the session that records an agent shows last, and how long ago in seconds.
        self.sessions = {
            name: chance.choice((None, *SESSIONS)) for name in AGENTS if chance.random() < 0.7
        }

    def is_stale(self, name: str) -> bool:
        status, age = self.agents[name]
        working = self.sessions.get(name) == RUNNING
        return status == "stale" or (status == "alive" and age > self.limit and not working)

    async def write(self, scope: Scope, db: Db) -> None:
        account = scope.account_id
        if self.limit != 300:  # the default, which needs no row
            await db.driver.execute(
                "INSERT INTO fleet_settings VALUES ($1, $2)", account, self.limit
            )
        await db.driver.executemany(
            "INSERT INTO work_items (account_id, key, title, status, track, sequence_rank,"
            " is_ready) VALUES ($1, $2, $2, $3, $4, $5, $6)",
            [(account, *item) for item in self.items],
        )
        tracks = {key: track for key, _, track, *_ in self.items}
        for name, (status, age) in {**self.agents, ASKING: ("alive", 0)}.items():
            item = self.holding.get(name)
            stored = ("idle" if item is None else "active") if status == "alive" else status
            await db.driver.execute(
                "INSERT INTO claude_sessions (account_id, id, session_id, status, sd_id,"
                " heartbeat_at) VALUES ($1, gen_random_uuid(), $2, $3, $4,"
                " now() - make_interval(secs => $5))",
                *(account, name, stored, item, age),
            )
            if item is not None:
                await db.driver.execute(
                    "INSERT INTO claims (account_id, work_item, session_id, track, fencing_token)"
                    " VALUES ($1, $2, $3, $4, 0)",
                    *(account, item, name, tracks[item]),
                )
        for name, session in self.sessions.items():
            status, module, result, age = session or ("active", None, None, 0)
            last = None if module is None else {"module": module, "status": result}
            await db.driver.execute(
                "INSERT INTO sessions (account_id, type, external_id, status, last_interaction,"
                " updated_at) VALUES ($1, 'RecordedSessions', $2, $3, $4::jsonb,"
                " now() - make_interval(secs => $5))",
                *(account, name, status, None if last is None else to_jsonb(last), age),
            )
        for (one, other), (severity, resolved) in self.conflicts.items():
            await db.driver.execute(
                "INSERT INTO work_item_conflicts (account_id, work_item_a, work_item_b,"
                " conflict_type, severity, resolved_at)"
                " VALUES ($1, $2, $3, 'file_overlap', $4, CASE WHEN $5 THEN now() END)",
                *(account, one, other, severity, resolved),
            )


def availability(judged: Claimable) -> str:
    """The availability that a list must show for an item judged so."""
    blocking = {reason.code for reason in judged.blocking_reasons}
    warnings = {warning.code for warning in judged.warnings}
    if "work_item_closed" in blocking:
        return "done"
    if "already_claimed" in blocking:
        return "claimed"
    if "conflict" in blocking or "not_ready" in warnings:
        return "blocked"
    return "track_busy" if "track_busy" in warnings else "available"


@pytest.mark.parametrize("seed", range(25))
async def test_one_claim_the_list_and_the_next_claim_agree(world: World, seed: int) -> None:
    board, scope = Board(seed), world.scope()
    async with world.db(scope) as db:
        db.rollback_only = True
        await board.write(scope, db)
        page = await fleet.list_work_items(scope, db, PageRequest(), fleet.WorkItemFilter())
        listed = {row.key: row.availability for row in page.data}
        judged = {
            key: availability(await fleet.can_claim_work_item(scope, db, key, ASKING))
            for key in ITEMS
        }
        assert judged == listed
        claimable = [key for key, found in listed.items() if found in {"available", "track_busy"}]
        granted = await fleet.claim_next_work_item(scope, db, ASKING)
    assert (granted and granted.work_item.key) == (claimable[0] if claimable else None)


@pytest.mark.parametrize("seed", range(25))
async def test_the_registry_claims_and_the_sweep_agree_on_stale_agents(
    world: World, seed: int
) -> None:
    board, scope = Board(seed), world.scope()
    async with world.db(scope) as db:
        db.rollback_only = True
        await board.write(scope, db)
        stale = {name for name in AGENTS if board.is_stale(name)}
        registry: dict[str, Any] = {n: await fleet.get_agent(scope, db, n) for n in AGENTS}
        assert {n for n, row in registry.items() if row.computed_status == "stale"} == stale
        assert {n for n, row in registry.items() if row.seconds_until_stale == 0} == stale
        filters = fleet.AgentFilter(stale=True)
        page = await fleet.list_agents(scope, db, PageRequest(), filters)
        assert {row.session_id for row in page.data} == stale
        losing = set()
        for name, key in board.holding.items():
            asked = await fleet.can_claim_work_item(scope, db, key, ASKING)
            if "takes_over" in {info.code for info in asked.info}:
                losing.add(name)
        assert losing == stale & set(board.holding)
        unmarked = {name for name in stale if board.agents[name][0] == "alive"}
        assert await fleet.mark_stale_agents(scope, db) == len(unmarked)
