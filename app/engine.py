"""Connects SQLAlchemy and asyncpg to the database, also through a transaction-mode PgBouncer."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import asyncpg
import msgspec
from advanced_alchemy.config import EngineConfig, SQLAlchemyAsyncConfig
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.pool import NullPool

from app.errors import Unavailable
from app.library_internals import socket_of
from app.settings import Settings

# Raised by connecting while PostgreSQL is down, starting, stopping, or full.
UNREACHABLE = (
    OSError,
    DBAPIError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
)
# Raised by statements on a connection that PostgreSQL has closed.
BROKEN = (asyncpg.InterfaceError, asyncpg.InternalClientError)

CONNECT_SECONDS = 10
# A host that has vanished without a word would be waited for a quarter of an hour, and for ever
# while nothing is sent to it. Asked after ten seconds of silence, it is gone after twenty; an
# answer that takes longer is waited for, because its host still says that it is there.
_SILENCE = {
    "TCP_KEEPIDLE": 10,
    "TCP_KEEPINTVL": 5,
    "TCP_KEEPCNT": 2,
    "TCP_USER_TIMEOUT": 20_000,  # milliseconds, of what is sent and not received; Linux only
}

# From here on msgspec writes a float with an exponent, and most often without a fraction.
_FIRST_WITH_EXPONENT = 1e16
_ALL_ZEROS = bytes.maketrans(b"123456789", b"0" * 9)


def to_jsonb(document: Any) -> str:
    """Encodes JSON for jsonb, which stores numbers spelled out: 1e22 without a fraction would come
    back as an integer, one too large for a request."""
    encoded = msgspec.json.encode(document)
    if b"0e0" in encoded.translate(_ALL_ZEROS):  # or such a text; the exact look is slower
        encoded = msgspec.json.encode(_with_fractions(document))
    return encoded.decode()


def _with_fractions(value: Any) -> Any:
    if isinstance(value, float) and abs(value) >= _FIRST_WITH_EXPONENT:
        return msgspec.Raw(f"{Decimal(repr(value)):.1f}".encode())
    if isinstance(value, list):
        return [_with_fractions(item) for item in value]
    if isinstance(value, dict):
        return {key: _with_fractions(item) for key, item in value.items()}
    return value


def alchemy_config(settings: Settings) -> SQLAlchemyAsyncConfig:
    if settings.pgbouncer:
        # Statements are unnamed and never kept. SQLAlchemy's questions to a database it does not
        # know yet are asked in a transaction; only then do its connections turn to autocommit.
        mode: dict[str, Any] = {
            "execution_options": {"isolation_level": "AUTOCOMMIT"},
            "connect_args": {
                "timeout": CONNECT_SECONDS,
                "statement_cache_size": 0,
                "prepared_statement_cache_size": 0,
                "prepared_statement_name_func": lambda: "",
            },
        }
    else:
        mode = {
            "isolation_level": "AUTOCOMMIT",
            "connect_args": {"timeout": CONNECT_SECONDS},
        }
    return SQLAlchemyAsyncConfig(
        connection_string=sqlalchemy_url(settings.database_url),
        engine_config=EngineConfig(
            poolclass=NullPool,  # see Connections
            json_serializer=to_jsonb,
            hide_parameters=True,  # errors are logged, and parameters are customers' data
            **mode,
        ),
    )


def sqlalchemy_url(url: str) -> str:
    """The same database for SQLAlchemy, through asyncpg."""
    scheme, separator, rest = url.partition("://")
    if scheme not in {"postgres", "postgresql", "postgresql+asyncpg"} or not separator:
        raise Unavailable("DATABASE_URL must start with postgresql://")
    return f"postgresql+asyncpg://{rest}"


async def connect(url: str) -> "asyncpg.Connection[asyncpg.Record]":
    """Opens a connection outside the pool. Raises what asyncpg.connect may raise."""
    connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS)
    _notice_silence(connection)
    return connection


def _notice_silence(driver: Any) -> None:
    peer = socket_of(driver)
    if peer.family in {socket.AF_INET, socket.AF_INET6}:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _SILENCE.items():
            if hasattr(socket, option):
                peer.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


class Connection:
    """A connection of the pool: `orm` is SQLAlchemy's, `driver` the asyncpg connection below it."""

    def __init__(self, connection: AsyncConnection, driver: Any) -> None:
        self.orm = connection
        self.driver: asyncpg.Connection[asyncpg.Record] = driver
        self.discarded = False

    async def discard(self) -> None:
        """Closes the connection, which rolls back, because its state is unknown."""
        self.discarded = True
        await self.orm.invalidate()


class Connections:
    """A pool of at most `places` connections. Waiters are served in order, each with the connection
    used last, whose plans and caches are warm.

    SQLAlchemy's own pool lets newcomers overtake waiters, and taking a connection from it and
    giving it back costs as much as a read does with it.
    """

    def __init__(self, engine: AsyncEngine, places: int, patience_seconds: float) -> None:
        self._engine = engine
        self._places = asyncio.Semaphore(places)
        self._patience_seconds = patience_seconds
        self._idle: list[Connection] = []
        self.in_use = 0

    @asynccontextmanager
    async def opened(self, statement: str) -> AsyncIterator[Connection]:
        """A connection on which `statement` has been executed. Raises Unavailable, also when none
        became free in time."""
        await self._take_place()
        self.in_use += 1
        try:
            connection = await self._execute_first(statement)
            try:
                yield connection
            finally:
                await self._take_back(connection)
        finally:
            self.in_use -= 1
            self._places.release()

    async def _take_place(self) -> None:
        if (
            not self._places.locked()
        ):  # the usual case, of which a timeout would be the longest part
            await self._places.acquire()
            return
        try:
            async with asyncio.timeout(self._patience_seconds):
                await self._places.acquire()
        except TimeoutError as error:
            raise Unavailable from error

    async def _take_back(self, connection: Connection) -> None:
        driver = connection.driver
        if not connection.discarded and (driver.is_closed() or driver.is_in_transaction()):
            # Even its ROLLBACK was cut short: the next user would commit its changes.
            await connection.discard()
        if connection.discarded:
            await connection.orm.close()
            return
        # The ORM believes it has opened a transaction; PostgreSQL has none.
        if connection.orm.in_transaction():
            await connection.orm.rollback()
        self._idle.append(connection)

    async def close(self) -> None:
        while self._idle:
            await self._idle.pop().orm.close()

    async def _execute_first(self, statement: str) -> Connection:
        """Tries once more on a fresh connection: PostgreSQL may have restarted while this one was
        idle."""
        for fresh in (False, True):
            connection = self._idle.pop() if self._idle and not fresh else await self._connect()
            try:
                await connection.driver.execute(statement)
            except BaseException as error:
                await connection.discard()
                await connection.orm.close()
                if not isinstance(error, (*UNREACHABLE, *BROKEN)):
                    raise
                if fresh:
                    raise Unavailable from error
            else:
                return connection
        raise AssertionError("unreachable")

    async def _connect(self) -> Connection:
        try:
            connection = await self._engine.connect()
            driver = (await connection.get_raw_connection()).driver_connection
            _notice_silence(driver)
            return Connection(connection, driver)
        except UNREACHABLE as error:
            raise Unavailable from error
