"""How SQLAlchemy and asyncpg reach the database, also through a transaction-mode PgBouncer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from advanced_alchemy.config import EngineConfig, SQLAlchemyAsyncConfig
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import Unavailable
from app.settings import Settings

# What connecting may raise while PostgreSQL is away, starting, stopping, or full.
UNREACHABLE = (
    OSError,
    PoolTimeoutError,
    DBAPIError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
)
# What statements may raise on a connection that PostgreSQL has closed.
BROKEN = (asyncpg.InterfaceError, asyncpg.InternalClientError)


class Turns:
    """Who asks first is served first: at the pool itself newcomers overtake those who wait."""

    def __init__(self, places: int, patience_seconds: float) -> None:
        self._places = asyncio.Semaphore(places)
        self._patience_seconds = patience_seconds

    @asynccontextmanager
    async def taken(self) -> AsyncIterator[None]:
        """Raises Unavailable when nobody made room in time."""
        try:
            async with asyncio.timeout(self._patience_seconds):
                await self._places.acquire()
        except TimeoutError as error:
            raise Unavailable from error
        try:
            yield
        finally:
            self._places.release()


def alchemy_config(settings: Settings) -> SQLAlchemyAsyncConfig:
    if settings.pgbouncer:
        # Statements are unnamed and never kept. SQLAlchemy's questions to a database it does not
        # know yet are asked in a transaction; only then do its connections turn to autocommit.
        mode: dict[str, Any] = {
            "execution_options": {"isolation_level": "AUTOCOMMIT"},
            "connect_args": {
                "statement_cache_size": 0,
                "prepared_statement_cache_size": 0,
                "prepared_statement_name_func": lambda: "",
            },
        }
    else:
        mode = {"isolation_level": "AUTOCOMMIT"}
    return SQLAlchemyAsyncConfig(
        connection_string=sqlalchemy_url(settings.database_url),
        engine_config=EngineConfig(
            pool_size=settings.pool_size,
            max_overflow=0,
            pool_timeout=settings.pool_timeout,
            # The connection used last is the one whose plans and caches are warm.
            pool_use_lifo=True,
            hide_parameters=True,  # an error is logged, and its parameters are somebody's data
            **mode,
        ),
    )


def sqlalchemy_url(url: str) -> str:
    """The same database for SQLAlchemy, through asyncpg."""
    scheme, separator, rest = url.partition("://")
    if scheme not in {"postgres", "postgresql", "postgresql+asyncpg"} or not separator:
        raise Unavailable("DATABASE_URL must start with postgresql://")
    return f"postgresql+asyncpg://{rest}"


async def execute_first(connection: AsyncConnection, statement: str) -> Any:
    """PostgreSQL may have restarted while the connection lay in the pool: one fresh try. Raises
    Unavailable."""
    for attempt in (1, 2):
        try:
            driver: Any = (await connection.get_raw_connection()).driver_connection
            await driver.execute(statement)
        except (*UNREACHABLE, *BROKEN) as error:
            await connection.invalidate()
            if attempt == 2:
                raise Unavailable from error
        except BaseException:
            await connection.invalidate()
            raise
        else:
            return driver
    raise AssertionError("unreachable")
