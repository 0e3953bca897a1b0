"""Servers that meet on an empty database: one of them migrates, all of them serve."""

import asyncio
from contextlib import ExitStack
from pathlib import Path

import asyncpg
import httpx
import pytest

from app import embedded, migrations
from app.db import VERSION_TABLE, current_revision
from app.models import Base
from tests.servers import Server, start_server, stop_server

LIMIT_SECONDS = 90.0


@pytest.mark.parametrize("count", [2, 4])
async def test_servers_start_at_once_on_an_empty_database(tmp_path: Path, count: int) -> None:
    async with asyncio.timeout(LIMIT_SECONDS):
        with ExitStack() as stack:
            cluster = stack.enter_context(await asyncio.to_thread(embedded.start, tmp_path / "db"))
            # One of them makes the first account, whose token the others do not have.
            folders = [tmp_path / str(number) for number in range(count)]
            for folder in folders:
                folder.mkdir()
            servers: list[Server] = await asyncio.gather(
                *(
                    asyncio.to_thread(
                        start_server, folder, data="../shared", DATABASE_URL=cluster.url
                    )
                    for folder in folders
                )
            )
            for server in servers:
                stack.callback(stop_server, server)
            async with httpx.AsyncClient(timeout=20) as client:
                for server in servers:
                    headers = {"Authorization": f"Bearer {server.token}"}
                    ready = await client.get(f"{server.url}/health/ready")
                    assert ready.status_code == 200, ready.text
                    me = await client.get(f"{server.url}/api/me", headers=headers)
                    assert me.status_code == 200, me.text
            connection = await asyncpg.connect(cluster.url)
            try:
                assert await current_revision(connection) == migrations.head()
                assert await connection.fetchval("SELECT count(*) FROM accounts") == 1
                assert await connection.fetchval("SELECT count(*) FROM api_tokens") == 1
                rows = await connection.fetch(
                    "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
                )
            finally:
                await connection.close()
            assert {row["tablename"] for row in rows} == {*Base.metadata.tables, VERSION_TABLE}
