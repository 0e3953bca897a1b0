"""agno: `PostgresDb`, a session with runs."""

import os
import time
from collections.abc import Mapping
from uuid import uuid4

from agno.db.base import SessionType
from agno.db.postgres import PostgresDb
from agno.run.agent import RunOutput
from agno.run.base import RunStatus
from agno.session import AgentSession

from bench.peers.worker import PAGE, execute, item_text, serve

AGENT = "agent"
USER = "user-0"

CLONE_RUNS = """
    INSERT INTO ai.agno_runs (run_id, session_id, run_type, agent_id, user_id, status, run_index,
        run_data, created_at, updated_at)
    SELECT gen_random_uuid(), session_id, run_type, agent_id, user_id, status, n,
        run_data, created_at, updated_at
    FROM ai.agno_runs, generate_series(1, $2::int) AS n WHERE session_id = $1
"""
CLONE_SESSIONS = """
    WITH cloned AS (
        INSERT INTO ai.agno_sessions (session_id, session_type, agent_id, user_id, session_data,
            agent_data, metadata, created_at, updated_at)
        SELECT gen_random_uuid(), session_type, agent_id, 'user-' || n % $2, session_data,
            agent_data, metadata, created_at - n * 60, updated_at - n * 60
        FROM ai.agno_sessions, generate_series(1, $3::int) AS n WHERE session_id = $1
        RETURNING session_id, user_id
    )
    INSERT INTO ai.agno_runs (run_id, session_id, run_type, agent_id, user_id, status, run_index,
        run_data, created_at, updated_at)
    SELECT gen_random_uuid(), cloned.session_id, run_type, agent_id, cloned.user_id, status, 0,
        run_data, created_at, updated_at
    FROM ai.agno_runs AS template, cloned WHERE template.session_id = $1
"""


class Agno:
    lacks: Mapping[str, str] = {}

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        url = database_url.replace("postgresql://", "postgresql+psycopg://", 1)
        self._db = PostgresDb(db_url=url)

    async def seed_sessions(self, users: int, each: int) -> None:
        await self.seed_session(1)
        clones = users * each - 1
        await execute(self._database_url, (CLONE_SESSIONS, self._session.session_id, users, clones))

    async def seed_session(self, length: int) -> None:
        self._session = AgentSession(
            session_id=str(uuid4()),
            agent_id=AGENT,
            user_id=USER,
            session_data={},
            created_at=int(time.time()),
        )
        self._session = self._db.upsert_session(self._session)
        self._length = 0
        if length:
            await self.append(item_text(0))
            await execute(self._database_url, (CLONE_RUNS, self._session.session_id, length - 1))
            self._length = length

    async def append(self, text: str) -> None:
        """The two writes in which an agent keeps a run."""
        self._db.upsert_session(self._session)
        run = RunOutput(
            run_id=str(uuid4()),
            agent_id=AGENT,
            user_id=USER,
            session_id=self._session.session_id,
            content=text,
            status=RunStatus.completed,
        )
        self._db.upsert_run(run, self._session.session_id, user_id=USER, run_index=self._length)
        self._length += 1

    async def load(self) -> int:
        # A program that has just started has not decoded these runs before.
        self._db._run_object_cache.drop_session(self._session.session_id)
        return await self._get()

    async def newest(self) -> int:
        return await self._get(PAGE)

    async def list(self) -> int:
        return len(
            self._db.get_sessions(
                session_type=SessionType.AGENT,
                user_id=USER,
                limit=PAGE,
                page=1,
                sort_by="updated_at",
                sort_order="desc",
                include_runs=False,
            )
        )

    async def _get(self, runs_limit: int | None = None) -> int:
        session = self._db.get_session(
            self._session.session_id,
            session_type=SessionType.AGENT,
            user_id=USER,
            runs_limit=runs_limit,
        )
        return len(session.runs or [])


async def _peer() -> Agno:
    return Agno(os.environ["DATABASE_URL"])


if __name__ == "__main__":
    serve(_peer, "agno", "sqlalchemy", "psycopg")
