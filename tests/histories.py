"""What holds of every stored history, whoever wrote it and however it is spread over pages."""

import json

import asyncpg

from tests.factories import World

_SESSIONS = "SELECT id FROM sessions WHERE account_id = $1 ORDER BY id"
_SESSION = """
SELECT interaction_count, sealed_count, interactions::text, last_interaction ->> 'seq' AS last
FROM sessions WHERE account_id = $1 AND id = $2
"""
_PAGES = """
SELECT first_seq, last_seq, interactions::text
FROM interaction_pages WHERE account_id = $1 AND session_id = $2 ORDER BY first_seq
"""
_KEYS = "SELECT id::text, seq FROM interaction_keys WHERE account_id = $1 AND session_id = $2"


async def check_histories(world: World) -> int:
    """`seq` has no gap, and pages, keys and counters agree; how many interactions there are."""
    total = 0
    async with world.db() as db:
        for row in await db.driver.fetch(_SESSIONS, world.account_id):
            key = (world.account_id, row["id"])
            session = await db.fetch_one(_SESSION, *key)
            pages = await db.driver.fetch(_PAGES, *key)
            keys = await db.driver.fetch(_KEYS, *key)
            _check(session, pages, {key["id"]: key["seq"] for key in keys})
            total += session["interaction_count"]
    return total


def _check(session: asyncpg.Record, pages: list[asyncpg.Record], keys: dict[str, int]) -> None:
    sealed = []
    for page in pages:
        documents = json.loads(page["interactions"])
        assert [d["seq"] for d in documents] == [*range(page["first_seq"], page["last_seq"] + 1)]
        sealed += documents
    tail = json.loads(session["interactions"])
    everything = sealed + tail
    count = session["interaction_count"]
    assert [d["seq"] for d in everything] == [*range(1, count + 1)]
    assert len({d["id"] for d in everything}) == count
    assert session["sealed_count"] == len(sealed)
    assert session["last"] == (str(count) if count else None)
    # A key may be another name of an interaction, one in the tail included; never of none.
    assert {d["id"]: d["seq"] for d in sealed}.items() <= keys.items()
    assert set(keys.values()) <= {*range(1, count + 1)}
    assert all((d.get("result") is None) == (d.get("completed_at") is None) for d in everything)
