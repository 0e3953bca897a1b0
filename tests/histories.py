"""What holds of every stored history, whoever wrote it and however it is spread over pages."""

import json
from collections import defaultdict

import asyncpg

from tests.factories import World

_SESSIONS = """
SELECT id, interaction_count, sealed_count, interactions::text, last_interaction ->> 'seq' AS last
FROM sessions WHERE account_id = $1 ORDER BY id
"""
_PAGES = """
SELECT session_id, first_seq, last_seq, interactions::text
FROM interaction_pages WHERE account_id = $1 ORDER BY session_id, first_seq
"""
_KEYS = "SELECT session_id, id::text, seq FROM interaction_keys WHERE account_id = $1"


async def check_histories(world: World) -> int:
    """`seq` has no gap, and pages, keys and counters agree; how many interactions there are."""
    pages: dict[int, list[asyncpg.Record]] = defaultdict(list)
    keys: dict[int, dict[str, int]] = defaultdict(dict)
    async with world.db() as db:
        sessions = await db.driver.fetch(_SESSIONS, world.account_id)
        for page in await db.driver.fetch(_PAGES, world.account_id):
            pages[page["session_id"]].append(page)
        for key in await db.driver.fetch(_KEYS, world.account_id):
            keys[key["session_id"]][key["id"]] = key["seq"]
    assert {*pages, *keys} <= {session["id"] for session in sessions}
    for session in sessions:
        _check(session, pages[session["id"]], keys[session["id"]])
    return sum(session["interaction_count"] for session in sessions)


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
