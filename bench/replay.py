"""How fast a long instance replays, and that its memory stays flat: python -m bench.replay"""

import argparse
import asyncio
import time
import tracemalloc
from pathlib import Path
from tempfile import TemporaryDirectory

from app import embedded, migrations
from app.contexts import accounts, continuity
from app.db import Database, Role, Tenant
from app.schemas.accounts import AccountCreate
from app.schemas.continuity import EventInput, InstanceRegister
from app.scope import Scope
from app.settings import Settings

BATCH = 500
TYPES = [described.event_type for described in continuity.EVENT_TYPES]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.replay", description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    count = parser.parse_args().events
    with (
        TemporaryDirectory(prefix="agent-sessions-replay-") as folder,
        embedded.start(Path(folder) / "data") as cluster,
    ):
        migrations.upgrade(cluster.url)
        asyncio.run(measure(Settings(database_url=cluster.url), count))


async def measure(settings: Settings, count: int) -> None:
    database = Database(settings)
    try:
        scope, instance_id = await _fill(database, count)
        for traced in (False, True):
            if traced:
                tracemalloc.start()
            begun = time.perf_counter()
            async with database.transaction(scope) as db:
                replayed = await continuity.replay_instance_events(
                    scope, db, instance_id, from_zero=True
                )
            assert replayed.state.sequence_num == count + 1
            seconds = time.perf_counter() - begun
            if traced:
                peak = tracemalloc.get_traced_memory()[1]
                print(f"replay: peak {peak / 1e6:.1f} MB of Python memory")
            else:
                print(f"replay: {count / seconds:,.0f} events/s, {count:,} in {seconds:.2f} s")
    finally:
        await database.close()


async def _fill(database: Database, count: int) -> tuple[Scope, str]:
    async with database.transaction(Tenant(account_id=0, role=Role.SYSTEM)) as db:
        data = AccountCreate(name="replay", slug="replay")
        new = await accounts.create_first_account(db, data, "replay@bench.example")
    scope = Scope(account_id=new.account.id, user_id=new.user.id, role=Role.OWNER)
    async with database.transaction(scope) as db:
        instance = InstanceRegister(project="replay", instance_type="PS")
        registered = await continuity.register_instance(scope, db, instance)
    instance_id = registered.instance.instance_id
    begun = time.perf_counter()
    for start in range(0, count, BATCH):
        numbers = range(start, min(start + BATCH, count))
        events = [
            EventInput(event_type=TYPES[n % len(TYPES)], event_data={"epic_id": str(n)})
            for n in numbers
        ]
        async with database.transaction(scope) as db:
            await continuity.emit_instance_events(scope, db, instance_id, events)
    seconds = time.perf_counter() - begun
    print(f"emit: {count / seconds:,.0f} events/s in batches of {BATCH}")
    return scope, instance_id


if __name__ == "__main__":
    main()
