"""openai-agents: `SQLAlchemySession`."""

import os
from collections.abc import Mapping
from uuid import uuid4

from agents.extensions.memory import SQLAlchemySession
from sqlalchemy.ext.asyncio import create_async_engine

from bench.peers.worker import PAGE, execute, item_text, serve

CLONE_MESSAGES = """
    INSERT INTO agent_messages (session_id, message_data, created_at)
    SELECT session_id, message_data, created_at - n * interval '1 ms'
    FROM agent_messages, generate_series(1, $2::int) AS n WHERE session_id = $1
"""
CLONE_SESSIONS = """
    WITH cloned AS (
        INSERT INTO agent_sessions (session_id, created_at, updated_at)
        SELECT gen_random_uuid(), created_at, updated_at
        FROM agent_sessions, generate_series(1, $2::int) WHERE session_id = $1
        RETURNING session_id
    )
    INSERT INTO agent_messages (session_id, message_data, created_at)
    SELECT cloned.session_id, message_data, created_at
    FROM agent_messages, cloned WHERE agent_messages.session_id = $1
"""


class OpenAiAgents:
    lacks: Mapping[str, str] = {"list": "no such call"}

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        url = database_url.replace("postgresql://", "postgresql+asyncpg://", 1)
        self._engine = create_async_engine(url)

    async def seed_sessions(self, users: int, each: int) -> None:
        await self.seed_session(1)
        clones = users * each - 1
        await execute(self._database_url, (CLONE_SESSIONS, self._session.session_id, clones))

    async def seed_session(self, length: int) -> None:
        session_id = str(uuid4())
        self._session = SQLAlchemySession(session_id, engine=self._engine, create_tables=True)
        if length:
            await self.append(item_text(0))
            await execute(self._database_url, (CLONE_MESSAGES, session_id, length - 1))

    async def append(self, text: str) -> None:
        await self._session.add_items([{"role": "user", "content": text}])

    async def load(self) -> int:
        return len(await self._session.get_items())

    async def newest(self) -> int:
        return len(await self._session.get_items(limit=PAGE))

    async def list(self) -> int:
        raise NotImplementedError(self.lacks["list"])


async def _peer() -> OpenAiAgents:
    return OpenAiAgents(os.environ["DATABASE_URL"])


if __name__ == "__main__":
    serve(_peer, "openai-agents", "sqlalchemy", "asyncpg")
