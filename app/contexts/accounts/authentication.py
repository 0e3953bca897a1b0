"""Turns the bearer token of a request into its Scope."""

import asyncio
import hmac
import time
from collections import OrderedDict
from functools import partial

import msgspec

from app.contexts.accounts.tokens import ParsedToken, parse_token
from app.db import Database, Db, Role, Tenant
from app.errors import NotFound, Unauthenticated
from app.feed import IDENTITY_KINDS
from app.schemas.base import MAX_BIGINT
from app.scope import Scope

# Hot: every request needs it, unless the token is cached.
_IDENTIFY = """
SELECT t.user_id, t.scopes, t.project_id, t.secret_sha256, m.role, p.active_project_id,
       extract(epoch FROM t.expires_at - now())::float8 AS seconds_left,
       t.last_used_at IS NULL OR t.last_used_at < now() - interval '1 minute' AS stale
FROM api_tokens t
JOIN members m ON m.account_id = t.account_id AND m.user_id = t.user_id AND m.is_active
LEFT JOIN user_preferences p ON p.account_id = t.account_id AND p.user_id = t.user_id
WHERE t.account_id = $1 AND t.id = $2 AND t.revoked_at IS NULL
  AND (t.expires_at IS NULL OR t.expires_at > now())
"""
_TOUCH = """
UPDATE api_tokens SET last_used_at = now() WHERE account_id = $1 AND id = $2
  AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')
"""
_FIND_PROJECT = """
SELECT id FROM projects WHERE account_id = $1 AND (id = $2 OR slug = $3)
ORDER BY id = $2 DESC LIMIT 1
"""
_CACHE_SIZE = 10_000


class Identity(msgspec.Struct, frozen=True):
    account_id: int
    token_id: int
    user_id: int
    role: Role
    token_project_id: int | None
    active_project_id: int | None
    may_write: bool
    valid_until: float
    """On the monotonic clock; after it the database is asked again."""


class Authenticator:
    """Caches tokens for a few seconds. Changes made by this process count at once."""

    def __init__(self, database: Database, cache_seconds: float) -> None:
        self._database = database
        self._cache_seconds = cache_seconds
        self._identities: OrderedDict[ParsedToken, Identity] = OrderedDict()
        self._readings: dict[ParsedToken, asyncio.Task[Identity]] = {}
        database.on_commit.append(self._forget_changed)

    async def authenticate(self, token: str, project: str | None = None) -> Scope:
        """`project` is an id, a slug, or `*` for the whole account.

        Raises Unauthenticated for a token that is malformed, unknown, revoked or expired, or whose
        member is inactive; NotFound for a project the token cannot see.
        """
        parsed = parse_token(token)
        if parsed is None:
            raise Unauthenticated
        identity = self._identities.get(parsed)
        if identity is None or identity.valid_until < time.monotonic():
            identity = await self._read(parsed)
        return await self._scope(identity, project)

    async def _read(self, parsed: ParsedToken) -> Identity:
        """Reads the token from the database, once for all requests that wait for it."""
        reading = self._readings.get(parsed)
        if reading is None:
            reading = self._readings[parsed] = asyncio.create_task(self._identify(parsed))
            reading.add_done_callback(partial(self._remember, parsed))
        return await asyncio.shield(reading)  # a cancelled request must not cancel the others

    def _remember(self, parsed: ParsedToken, reading: asyncio.Task[Identity]) -> None:
        if self._readings.get(parsed) is not reading:
            return  # forgotten meanwhile: the token may have changed after it was read
        del self._readings[parsed]
        if not reading.cancelled() and reading.exception() is None:
            self._identities[parsed] = reading.result()
            if len(self._identities) > _CACHE_SIZE:
                self._identities.popitem(last=False)

    async def _identify(self, parsed: ParsedToken) -> Identity:
        tenant = Tenant(account_id=parsed.account_id, role=Role.SYSTEM)
        asked_at = time.monotonic()
        async with self._database.transaction(tenant) as db:
            row = await db.driver.fetchrow(_IDENTIFY, parsed.account_id, parsed.token_id)
            if row is None or not hmac.compare_digest(row["secret_sha256"], parsed.sha256):
                raise Unauthenticated
            if row["stale"]:
                await db.driver.execute(_TOUCH, parsed.account_id, parsed.token_id)
        seconds_left = row["seconds_left"]
        valid_for = self._cache_seconds if seconds_left is None else seconds_left
        return Identity(
            account_id=parsed.account_id,
            token_id=parsed.token_id,
            user_id=row["user_id"],
            role=narrowed(Role(row["role"]), row["scopes"]),
            token_project_id=row["project_id"],
            active_project_id=row["active_project_id"],
            may_write=not {"write", "admin"}.isdisjoint(row["scopes"]),
            valid_until=asked_at + min(valid_for, self._cache_seconds),
        )

    async def _scope(self, identity: Identity, project: str | None) -> Scope:
        project_id, strict = identity.active_project_id, False
        if identity.token_project_id is not None:
            project_id, strict = identity.token_project_id, True
        if project == "*":
            if identity.token_project_id is not None:
                raise NotFound
            project_id = None
        elif project is not None:
            wanted = await self._find_project(identity, project)
            if identity.token_project_id not in {None, wanted}:
                raise NotFound
            project_id, strict = wanted, True
        return Scope(
            account_id=identity.account_id,
            user_id=identity.user_id,
            role=identity.role,
            project_id=project_id,
            strict=strict,
            token_id=identity.token_id,
            token_project_id=identity.token_project_id,
            may_write=identity.may_write,
        )

    async def _find_project(self, identity: Identity, project: str) -> int:
        possible = project.isascii() and project.isdecimal() and len(project) < 20
        number = int(project) if possible else 0
        tenant = Tenant(account_id=identity.account_id, role=Role.VIEWER)
        async with self._database.transaction(tenant) as db:
            found: int | None = await db.driver.fetchval(
                _FIND_PROJECT, identity.account_id, min(number, MAX_BIGINT), project
            )
        if found is None:
            raise NotFound
        return found

    def _forget_changed(self, account_id: int, kinds: set[str]) -> None:
        if kinds & IDENTITY_KINDS:
            self.forget(account_id)

    def forget(self, account_id: int) -> None:
        """Drops the cached tokens of an account."""
        for known in (self._identities, self._readings):
            for parsed in [key for key in known if key.account_id == account_id]:
                del known[parsed]


def narrowed(role: Role, scopes: list[str]) -> Role:
    """The member's role, or the most that the token's scopes allow if that is less."""
    if "admin" in scopes or role is Role.VIEWER:
        return role
    return Role.EDITOR if "write" in scopes else Role.VIEWER


async def operator_scope(db: Db, account_id: int) -> Scope:
    """A scope for the administrator of the database. Raises NotFound for an unknown account."""
    if not await db.driver.fetchval("SELECT true FROM accounts WHERE id = $1", account_id):
        raise NotFound
    return Scope(account_id=account_id, role=Role.SYSTEM)
