from uuid import uuid4

import asyncpg
import pytest

from app import embedded


@pytest.fixture
async def empty_database(cluster: embedded.Cluster) -> str:
    """The URL of a database in which no migration has run."""
    name = f"empty_{uuid4().hex}"
    connection = await asyncpg.connect(cluster.url)
    try:
        await connection.execute(f"CREATE DATABASE {name}")
    finally:
        await connection.close()
    return cluster.url.replace("/agent_sessions?", f"/{name}?")
