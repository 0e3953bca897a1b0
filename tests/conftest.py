"""A PostgreSQL of the test run's own, migrated once per worker; every test has its own accounts.

`PG_BINDIR` tests on other binaries, such as those of the oldest version that is supported.
"""

import json
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app import embedded, migrations
from app.asgi import create_app
from app.cli.local import bin_dir
from app.db import Database
from app.settings import Settings
from tests.factories import World, make_world
from tests.pgbouncer import find_pgbouncer, pgbouncer

FIXTURES = Path(__file__).parent / "fixtures"

# A shell starts its background jobs with SIGINT ignored, which our own processes would inherit:
# interrupting one would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--pgbouncer", action="store_true", help="reach PostgreSQL through a transaction-mode pool"
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--pgbouncer"):
        find_pgbouncer()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[embedded.Cluster]:
    with embedded.start(tmp_path_factory.mktemp("postgres"), bin_dir=bin_dir()) as started:
        yield started


@pytest.fixture(scope="session")
def settings(cluster: embedded.Cluster, pytestconfig: pytest.Config) -> Iterator[Settings]:
    migrations.upgrade(cluster.url)
    if not pytestconfig.getoption("--pgbouncer"):
        yield Settings(database_url=cluster.url)
        return
    with pgbouncer(cluster.url) as url:
        yield Settings(database_url=url, database_direct_url=cluster.url, pgbouncer=True)


@pytest.fixture(scope="session")
async def app(settings: Settings) -> AsyncIterator[Any]:
    envelope = create_app(settings)
    yield envelope
    await envelope.litestar.state.database.close()


@pytest.fixture(scope="session")
async def database(app: Any) -> Database:
    found: Database = app.litestar.state.database
    return found


@pytest.fixture
async def make(database: Database, app: Any) -> AsyncIterator[Callable[[], Awaitable[World]]]:
    """Makes another account each time it is called."""
    worlds: list[World] = []

    async def make_another() -> World:
        worlds.append(await make_world(database, app))
        return worlds[-1]

    yield make_another
    for world in worlds:
        await world.close()


@pytest.fixture
async def world(make: Callable[[], Awaitable[World]]) -> World:
    return await make()


def hook_stream(name: str) -> list[dict[str, Any]]:
    """The bodies of a recorded run, in order."""
    path = FIXTURES / "hooks" / "streams" / f"{name}.json"
    return [event["body"] for event in json.loads(path.read_text())]
