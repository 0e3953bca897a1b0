"""Whether what an account asks for most costs the same with 1,000 rows of a kind and a million."""

import asyncio
from statistics import median

import asyncpg

from bench.client import Job
from bench.processes import Bench, Target, started
from bench.scenarios import BODY
from bench.seed import Api, settle

FEW, MANY = 1000, 1_000_000
ROUNDS = 5
SECONDS = 0.5

_SESSIONS = """
INSERT INTO sessions (account_id, project_id, user_id, type, status, state, title,
    interactions, interaction_count, last_interaction, inserted_at, updated_at)
SELECT account_id, project_id, user_id, type,
    (ARRAY['active', 'complete', 'failed'])[1 + number % 3], state, 'Session ' || number,
    interactions, interaction_count, last_interaction,
    now() - number * interval '1 second', now() - number * interval '1 second'
FROM sessions, generate_series(1, $2::integer) AS number WHERE id = $1
"""
_AGENTS = """
INSERT INTO claude_sessions (account_id, project_id, session_id, status)
SELECT account_id, project_id, 'agent-' || number, 'idle'
FROM sessions, generate_series(1, $2::integer) AS number WHERE id = $1
"""
# A history of whole pages, each as the first one of the session but for its numbers.
_PAGES = """
INSERT INTO interaction_pages (account_id, session_id, first_seq, last_seq, interactions)
SELECT account_id, session_id, 8 * number + 1, 8 * number + 8,
    (SELECT jsonb_agg(document || jsonb_build_object('seq', 8 * number + position))
     FROM jsonb_array_elements(interactions) WITH ORDINALITY AS d (document, position))
FROM interaction_pages, generate_series(1, $2::integer / 8 - 1) AS number
WHERE session_id = $1 AND first_seq = 1
"""
_KEYS = """
INSERT INTO interaction_keys (account_id, session_id, id, seq)
SELECT account_id, id, gen_random_uuid(), number
FROM sessions, generate_series(9, $2::integer) AS number WHERE id = $1
"""
_COUNT = """
UPDATE sessions SET interactions = '[]', interaction_count = $2::integer, sealed_count = $2::integer
WHERE id = $1
"""


class Account:
    """With `rows` sessions, `rows` agents and a session of `rows` interactions."""

    def __init__(self, bench: Bench, rows: int) -> None:
        created = bench.create_account(f"rows-{rows}")
        self._bench = bench
        self._target = Target(port=bench.server.port, token=created["token"])
        template, self._long = Api(self._target).create_sessions(2, length=9)
        asyncio.run(self._seed(template, rows))
        settle(bench.database_url)
        session = f"/api/sessions/{self._long}"
        self.requests = {
            "page of 50 sessions": ("GET", "/api/sessions?limit=50"),
            "page of 50, by id": ("GET", "/api/sessions?limit=50&sort=id"),
            "page of 50, active": ("GET", "/api/sessions?limit=50&status=active"),
            "page of 50 agents": ("GET", "/api/agents?limit=50"),
            "newest 50 interactions": ("GET", f"{session}/interactions?limit=50"),
            "session with newest 50": ("GET", f"{session}?interactions=50"),
            "append": ("POST", f"{session}/interactions"),
        }

    def p50_ms(self, name: str) -> float:
        method, path = self.requests[name]
        measured = self._bench.load.measure(
            Job(
                port=self._target.port,
                method=method,
                paths=[path],
                headers={"Authorization": f"Bearer {self._target.token}"},
                body=BODY if method == "POST" else "",
                clients=1,
                seconds=SECONDS,
            )
        )
        if measured.failures:
            raise RuntimeError(f"{name}: {measured.failure}")
        return measured.p50_ms

    async def _seed(self, template: int, rows: int) -> None:
        connection = await asyncpg.connect(self._bench.database_url)
        for statement, session in (
            *((_SESSIONS, template), (_AGENTS, template)),
            *((_PAGES, self._long), (_KEYS, self._long), (_COUNT, self._long)),
        ):
            await connection.execute(statement, session, rows)
        await connection.close()


def main() -> None:
    with started() as bench:
        few = Account(bench, FEW)
        alone = {name: median(few.p50_ms(name) for _ in range(ROUNDS)) for name in few.requests}
        many = Account(bench, MANY)
        print(f"{'p50 ms':<26} {FEW:>12,} {'beside':>12} {MANY:>12,}   {MANY:,} / {FEW:,}")
        for name in few.requests:
            turns = [(few.p50_ms(name), many.p50_ms(name)) for _ in range(ROUNDS)]
            beside, grown = (median(column) for column in zip(*turns, strict=True))
            print(
                f"{name:<26} {alone[name]:12.2f} {beside:12.2f} {grown:12.2f}"
                f"   {grown / beside:.2f}"
            )
