"""langgraph: `AsyncPostgresSaver`, whose sessions are threads of checkpoints.

A thread can hold a history in two ways: in checkpoints of one item each, or, as a graph with the
usual `messages` does, in one channel that every checkpoint stores as a whole.
"""

import os
import sys
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from psycopg import AsyncConnection
from psycopg.rows import dict_row

from bench.peers.worker import PAGE, execute, item_text, serve

USER = "user-0"

CLONE_CHECKPOINTS = """
    WITH numbered AS (
        SELECT n, lpad(n::text, 8, '0') AS id, lpad(n::text, 32, '0') || '.0' AS version
        FROM generate_series(1, $2::int) AS n
    ), cloned AS (
        INSERT INTO checkpoints (thread_id, checkpoint_id, checkpoint, metadata)
        SELECT thread_id, id,
            jsonb_set(checkpoint || jsonb_build_object('id', id),
                '{channel_versions,item}', to_jsonb(version)),
            metadata
        FROM checkpoints, numbered WHERE thread_id = $1
    )
    INSERT INTO checkpoint_blobs (thread_id, channel, version, type, blob)
    SELECT thread_id, channel, numbered.version, type, blob
    FROM checkpoint_blobs, numbered WHERE thread_id = $1
"""
CLONE_THREADS = """
    WITH numbered AS (
        SELECT gen_random_uuid() AS thread, n FROM generate_series(1, $3::int) AS n
    ), cloned AS (
        INSERT INTO checkpoints (thread_id, checkpoint_id, checkpoint, metadata)
        SELECT thread, lpad(n::text, 8, '0'), checkpoint,
            metadata || jsonb_build_object('user', 'user-' || n % $2)
        FROM checkpoints, numbered WHERE thread_id = $1
    )
    INSERT INTO checkpoint_blobs (thread_id, channel, version, type, blob)
    SELECT thread, channel, version, type, blob
    FROM checkpoint_blobs, numbered WHERE thread_id = $1
"""


class Checkpoints:
    """A checkpoint per item."""

    lacks: Mapping[str, str] = {}

    def __init__(self, database_url: str, saver: AsyncPostgresSaver) -> None:
        self._database_url = database_url
        self._saver = saver

    async def seed_sessions(self, users: int, each: int) -> None:
        self._start()
        await self._put("item", {"text": item_text(0)})
        clones = users * each - 1
        await execute(self._database_url, (CLONE_THREADS, self._thread_id, users, clones))

    async def seed_session(self, length: int) -> None:
        self._start()
        if length:
            await self.append(item_text(0))
            await execute(self._database_url, (CLONE_CHECKPOINTS, self._thread_id, length - 1))

    async def append(self, text: str) -> None:
        await self._put("item", {"text": text})

    async def load(self) -> int:
        return await self._list(self._thread, None)

    async def newest(self) -> int:
        return await self._list(self._thread, PAGE)

    async def list(self) -> int:
        """Checkpoints, strictly speaking: the seeded threads have one each."""
        return await self._list(None, PAGE, {"user": USER})

    def _start(self) -> None:
        self._thread_id = str(uuid4())
        self._thread = {"configurable": {"thread_id": self._thread_id, "checkpoint_ns": ""}}
        self._config = self._thread
        self._version: str | None = None

    async def _put(self, channel: str, value: Any) -> None:
        self._version = self._saver.get_next_version(self._version, None)
        checkpoint = empty_checkpoint()
        checkpoint["channel_values"] = {channel: value}
        checkpoint["channel_versions"] = {channel: self._version}
        metadata = {"source": "loop", "step": 0, "parents": {}, "user": USER}
        self._config = await self._saver.aput(
            self._config, checkpoint, metadata, {channel: self._version}
        )

    async def _list(
        self, config: Any, limit: int | None, where: dict[str, Any] | None = None
    ) -> int:
        found = [each async for each in self._saver.alist(config, filter=where, limit=limit)]
        assert all(each.checkpoint["channel_values"] for each in found)
        return len(found)


class Messages(Checkpoints):
    """One channel with all messages, as the program has it in memory after a step."""

    lacks: Mapping[str, str] = {"newest": "loads all", "list": "as above"}

    async def seed_session(self, length: int) -> None:
        self._start()
        self._messages = [_message(item_text(number)) for number in range(length)]
        await self._put("messages", self._messages)

    async def append(self, text: str) -> None:
        self._messages = [*self._messages, _message(text)]
        await self._put("messages", self._messages)

    async def load(self) -> int:
        found = await self._saver.aget_tuple(self._thread)
        return len(found.checkpoint["channel_values"]["messages"])


def _message(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


async def _peer() -> Checkpoints:
    database_url = os.environ["DATABASE_URL"]
    # What `from_conn_string` opens, without its `async with`.
    connection = await AsyncConnection.connect(
        database_url, autocommit=True, prepare_threshold=0, row_factory=dict_row
    )
    saver = AsyncPostgresSaver(connection)
    await saver.setup()
    kind = {"checkpoints": Checkpoints, "messages": Messages}[sys.argv[1]]
    return kind(database_url, saver)


if __name__ == "__main__":
    serve(_peer, "langgraph-checkpoint-postgres", "psycopg")
