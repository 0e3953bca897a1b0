"""google-adk: the service that a program uses in process, and `adk api_server` before it."""

import os
import sys
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from google.adk.events import Event
from google.adk.sessions import DatabaseSessionService
from google.adk.sessions.base_session_service import GetSessionConfig
from google.genai import types

from bench.peers.client import Client
from bench.peers.worker import PAGE, execute, item_text, serve

APP = "bench"
USER = "user-0"

CLONE_EVENTS = """
    INSERT INTO events (id, app_name, user_id, session_id, invocation_id, timestamp, event_data)
    SELECT gen_random_uuid(), app_name, user_id, session_id, invocation_id,
        timestamp - n * interval '1 ms',
        jsonb_set(event_data, '{timestamp}', to_jsonb((event_data->>'timestamp')::float - n / 1e3))
    FROM events, generate_series(1, $2::int) AS n WHERE session_id = $1
"""
CLONE_SESSIONS = """
    WITH cloned AS (
        INSERT INTO sessions (app_name, user_id, id, state, create_time, update_time)
        SELECT app_name, 'user-' || n % $2, gen_random_uuid(), state, create_time,
            update_time - n * interval '1 minute'
        FROM sessions, generate_series(1, $3::int) AS n WHERE id = $1
        RETURNING user_id, id
    )
    INSERT INTO events (id, app_name, user_id, session_id, invocation_id, timestamp, event_data)
    SELECT gen_random_uuid(), app_name, cloned.user_id, cloned.id, invocation_id, timestamp,
        event_data
    FROM events, cloned WHERE session_id = $1
"""


class AdkLibrary:
    lacks: Mapping[str, str] = {}

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._service = DatabaseSessionService(
            database_url.replace("postgresql://", "postgresql+asyncpg://", 1)
        )
        self._session: Any = None
        """What the program holds; `append_event` adds to its list in memory as well."""

    async def seed_sessions(self, users: int, each: int) -> None:
        await self.seed_session(1)
        clones = users * each - 1
        await execute(self._database_url, (CLONE_SESSIONS, self._session.id, users, clones))

    async def seed_session(self, length: int) -> None:
        self._session = await self._service.create_session(
            app_name=APP, user_id=USER, session_id=str(uuid4())
        )
        if length:
            await self._service.append_event(self._session, _event(item_text(0)))
            await execute(self._database_url, (CLONE_EVENTS, self._session.id, length - 1))
        self._session = await self._get()

    async def append(self, text: str) -> None:
        await self._service.append_event(self._session, _event(text))

    async def load(self) -> int:
        return len((await self._get()).events)

    async def newest(self) -> int:
        return len((await self._get(GetSessionConfig(num_recent_events=PAGE))).events)

    async def list(self) -> int:
        listed = await self._service.list_sessions(app_name=APP, user_id=USER)
        return len(listed.sessions)

    async def _get(self, config: GetSessionConfig | None = None) -> Any:
        return await self._service.get_session(
            app_name=APP, user_id=USER, session_id=self._session.id, config=config
        )


class AdkServer(AdkLibrary):
    """Appends by changing the state, which makes an event: the only call that runs no agent."""

    lacks: Mapping[str, str] = {"newest": "loads all"}

    def __init__(self, database_url: str, port: int) -> None:
        super().__init__(database_url)
        self._client = Client(port)
        self._sessions = f"/apps/{APP}/users/{USER}/sessions"

    async def append(self, text: str) -> None:
        body = {"stateDelta": {"output": text}}
        self._client.send("PATCH", f"{self._sessions}/{self._session.id}", body)

    async def load(self) -> int:
        return len(self._client.send("GET", f"{self._sessions}/{self._session.id}")["events"])

    async def list(self) -> int:
        return len(self._client.send("GET", self._sessions))


def _event(text: str) -> Any:
    content = types.Content(role="model", parts=[types.Part(text=text)])
    return Event(author="agent", invocation_id="bench", content=content)


async def _peer() -> AdkLibrary:
    database_url, *ports = os.environ["DATABASE_URL"], *map(int, sys.argv[1:])
    return AdkServer(database_url, ports[0]) if ports else AdkLibrary(database_url)


if __name__ == "__main__":
    serve(_peer, "google-adk")
