"""Transactions: the only place where one opens.

A transaction belongs to one tenant: BEGIN, the unprivileged role and the tenant's settings go to
PostgreSQL in one round trip, and row-level security does the rest. The engine runs in autocommit
mode, so that SQLAlchemy never opens a transaction of its own: BEGIN and COMMIT are ours, and a
COMMIT that PostgreSQL turns into a ROLLBACK is an error instead of a success.
"""

import datetime
import enum
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import asyncpg
import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession

from app.engine import BROKEN, Connection, Connections, alchemy_config
from app.errors import AppError, NotFound, PreconditionFailed, Unavailable, violation
from app.outbox import RECORD, FeedEvent, encoded, recording
from app.settings import Settings

APPLICATION_ROLE = "agent_sessions_app"
VERSION_TABLE = "schema_migrations"


class Role(enum.StrEnum):
    """What a member may do in an account; `system` is the server's own background work."""

    OWNER = "owner"
    ADMIN = "admin"
    EDITOR = "editor"
    VIEWER = "viewer"
    SYSTEM = "system"


class Tenant(msgspec.Struct, frozen=True, kw_only=True):
    """The account whose rows a transaction may touch, as row-level security is told."""

    account_id: int
    user_id: int | None = None
    role: Role

    def settings_statement(self) -> str:
        """Only integers and enum members reach this text, never anything a client sent."""
        user = "" if self.user_id is None else f"{self.user_id:d}"
        return (
            f"SET LOCAL app.account_id = '{self.account_id:d}'; "
            f"SET LOCAL app.user_id = '{user}'; SET LOCAL app.role = '{self.role.value}'"
        )


class Db:
    """One open transaction: `session` for the ORM, `driver` (asyncpg) for hot statements."""

    def __init__(self, connection: Connection, tenant: Tenant, begin: str, *, hot: bool) -> None:
        self._hot = hot
        self.connection: AsyncConnection = connection.orm
        self.driver = connection.driver
        self.tenant = tenant
        # BEGIN, the role and the tenant's settings: the message that opened the transaction.
        self.begin = begin
        self.events: list[FeedEvent] = []
        # Kinds of entities that changed; deleting an account leaves no feed to record it in.
        self.changed: set[str] = set()
        self.rollback_only = False
        # The versions a write may replace (If-Match); None for any.
        self.expected_versions: frozenset[str] | None = None
        self._session: AsyncSession | None = None

    @property
    def session(self) -> AsyncSession:
        """Raises RuntimeError in a hot transaction, whose planner switches suit its prepared
        statements alone."""
        if self._hot:
            raise RuntimeError("a hot transaction runs prepared statements only")
        if self._session is None:
            self._session = AsyncSession(
                self.connection, expire_on_commit=False, autoflush=False, autobegin=True
            )
        return self._session

    async def fetch_one(self, statement: str, *parameters: object) -> asyncpg.Record:
        """Fetch the row of a hot statement. Raises NotFound when there is none."""
        row = await self.driver.fetchrow(statement, *parameters)
        if row is None:
            raise NotFound
        return row

    async def now(self) -> datetime.datetime:
        """Read the database's clock; `now()` would be the beginning of the transaction."""
        moment: datetime.datetime = await self.driver.fetchval("SELECT clock_timestamp()")
        return moment

    def require_version(self, version: str | None) -> None:
        """Check If-Match; call it under the lock of the row. Raises PreconditionFailed."""
        if self.expected_versions is not None and version not in self.expected_versions:
            raise PreconditionFailed

    @asynccontextmanager
    async def acting_as(self, tenant: Tenant) -> AsyncIterator[None]:
        """Act as another tenant within the transaction; only creating an account does."""
        before, outer_events = self.tenant, self.events
        await self.driver.execute(tenant.settings_statement())
        self.tenant, self.events = tenant, []
        yield
        await self.write_events()
        await self.driver.execute(before.settings_statement())
        self.tenant, self.events = before, outer_events

    async def write_events(self) -> None:
        """Write the ORM's changes, then the events, which take the transaction's last lock."""
        if self._session is not None:
            await self._session.flush()
        if self.events:
            events = encoded(self.events)
            await self.driver.execute(RECORD, self.tenant.account_id, events)
            self._written()

    async def fetch_last(self, statement: str, *parameters: object) -> list[asyncpg.Record]:
        """Run the last statement of the transaction, and write the events with it.

        The statement must begin with WITH, and its first parameter must be the account.
        """
        statement = recording(statement, len(parameters) + 1)
        rows = await self.driver.fetch(statement, *parameters, encoded(self.events))
        self._written()
        return rows

    def _written(self) -> None:
        self.changed |= {event.entity_kind for event in self.events}
        self.events = []

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


# A plan kept for good must not scan a table only because the table was small once.
_ONE_PLAN = "; SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL enable_seqscan = off"


class Database:
    """The connections of one process; `on_commit` listeners hear which entity kinds changed."""

    def __init__(self, settings: Settings) -> None:
        self.config = alchemy_config(settings)
        self.engine: AsyncEngine = self.config.get_engine()
        self.on_commit: list[Callable[[int, set[str]], None]] = []
        self._preamble: _Preamble | None = None
        self.connections = Connections(self.engine, settings.pool_size, settings.pool_timeout)

    async def close(self) -> None:
        await self.connections.close()
        await self.engine.dispose()

    @asynccontextmanager
    async def transaction(
        self, tenant: Tenant, *, hot: bool = False, read_only: bool = False
    ) -> AsyncIterator[Db]:
        """Commit at the end of the block; roll back when it raises. `read_only` statements see one
        snapshot, and PostgreSQL refuses to write.

        A `hot` transaction runs prepared statements that find rows by their keys, and refuses the
        ORM: one plan serves each statement for good, for planning row security and arrays takes
        longer than carrying them out.

        Raises Unavailable when no connection is free; an error during COMMIT propagates, so a
        write that failed is never reported as saved.
        """
        if self._preamble is None:
            async with self.unscoped() as driver:
                self._preamble = await _read_preamble(driver)
        begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" if read_only else "BEGIN"
        begin += f"{self._preamble.role}; {tenant.settings_statement()}"
        begin += self._preamble.hot if hot else ""
        async with self.connections.opened(begin) as connection:
            db = Db(connection, tenant, begin, hot=hot)
            try:
                async with _undone(connection):
                    yield db
                    if db.rollback_only:
                        await db.driver.execute("ROLLBACK")
                        return
                    await self._commit(db)
            finally:
                await db.close()

    async def commit_and_begin(self, db: Db) -> None:
        """Commit and begin again in one message, which saves two round trips. Raises as the end of
        a transaction does."""
        await db.write_events()
        # Only the last answer is seen here: a transaction that had failed refuses the SELECT.
        await db.driver.execute(f"SELECT; COMMIT; {db.begin}")
        self._tell_listeners(db)

    @asynccontextmanager
    async def unscoped(self) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        """Open a transaction without a tenant, which sees no tenant's rows.

        Even one statement needs it: outside a transaction, a pool may prepare it on one connection
        and execute it on another. Raises Unavailable.
        """
        async with self.connections.opened("BEGIN") as connection, _undone(connection):
            yield connection.driver
            await connection.driver.execute("COMMIT")

    async def _commit(self, db: Db) -> None:
        await db.write_events()
        # PostgreSQL answers COMMIT with ROLLBACK, not an error, after a statement has failed.
        if await db.driver.execute("COMMIT") != "COMMIT":
            raise RuntimeError("the transaction had failed before its COMMIT")
        self._tell_listeners(db)

    def _tell_listeners(self, db: Db) -> None:
        changed, db.changed = db.changed, set()
        if changed:
            for listener in self.on_commit:
                listener(db.tenant.account_id, changed)

    async def require_revision(self, revision: str) -> None:
        """Raises Unavailable when the database is away or its schema is not at this revision."""
        try:
            async with self.unscoped() as driver:
                found = await current_revision(driver)
        except asyncpg.PostgresError as error:
            raise Unavailable from error
        if found != revision:
            raise Unavailable(f"The database is at migration {found}, not {revision}.")

    async def notify(self, channel: str, payload: str) -> None:
        """Send a NOTIFY. The payload becomes part of the statement, so it must never hold text of a
        client. Raises Unavailable."""
        async with self.connections.opened(f"NOTIFY {channel}, '{payload}'"):
            pass

    async def list_account_ids(self) -> list[int]:
        """List all accounts; for background work only, which opens a transaction for each."""
        async with self.unscoped() as driver:
            rows = await driver.fetch("SELECT id FROM accounts ORDER BY id")
        return [row["id"] for row in rows]


async def current_revision(driver: "asyncpg.Connection[asyncpg.Record]") -> str | None:
    """Read which migration a database is at; None for an empty database."""
    if await driver.fetchval(f"SELECT to_regclass('{VERSION_TABLE}') IS NULL"):
        return None
    revision: str | None = await driver.fetchval(f"SELECT version_num FROM {VERSION_TABLE}")  # noqa: S608 - a constant
    return revision


async def is_bound_by_row_security(driver: "asyncpg.Connection[asyncpg.Record]") -> bool:
    """Whether the login role, or the unprivileged role it switches to, is bound by policies."""
    bound: bool = await driver.fetchval(
        "SELECT NOT (rolsuper OR rolbypassrls) OR "
        "EXISTS (SELECT FROM pg_roles WHERE rolname = $1) "
        "FROM pg_roles WHERE rolname = current_user",
        APPLICATION_ROLE,
    )
    return bound


class _Preamble(NamedTuple):
    """The statements that follow BEGIN: in every transaction, and in hot ones."""

    role: str
    hot: str


async def _read_preamble(driver: Any) -> _Preamble:
    """A login role that row-level security does not bind gives up its powers first. LZ4, where the
    server has it, compresses what every append rewrites in a quarter of the time."""
    unbound, has_lz4 = await driver.fetchrow(
        "SELECT rolsuper OR rolbypassrls, EXISTS (SELECT FROM pg_settings"
        " WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals))"
        " FROM pg_roles WHERE rolname = current_user"
    )
    return _Preamble(
        f"; SET LOCAL ROLE {APPLICATION_ROLE}" if unbound else "",
        f"{_ONE_PLAN}; SET LOCAL default_toast_compression = lz4" if has_lz4 else _ONE_PLAN,
    )


@asynccontextmanager
async def _undone(connection: Connection) -> AsyncIterator[None]:
    """Roll back on any error. If even that fails, the connection is gone: it is discarded, which
    rolls back too, and the error becomes Unavailable."""
    try:
        yield
    except BaseException as error:
        try:
            await connection.driver.execute("ROLLBACK")
        except (OSError, asyncpg.PostgresError, *BROKEN):
            await connection.discard()
            if isinstance(error, Exception) and not isinstance(error, AppError):
                raise Unavailable from error
        if (violated := violation(error)) is not None:
            raise violated from error
        raise
