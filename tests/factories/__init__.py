"""Tenants to test with: real accounts, made through the public context."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx

from app.contexts import accounts
from app.db import Database, Db, Role, Tenant
from app.schemas.accounts import AccountCreate
from app.scope import Scope

NOBODY = Tenant(account_id=0, role=Role.SYSTEM)


@dataclass
class World:
    """One account with its owner, as a test sees it."""

    database: Database
    app: Any
    account_id: int
    project_id: int
    user_id: int
    token: str
    clients: list[httpx.AsyncClient] = field(default_factory=list)

    def scope(self, role: Role = Role.OWNER, **fields: Any) -> Scope:
        """Account-wide unless a project is given."""
        return Scope(account_id=self.account_id, user_id=self.user_id, role=role, **fields)

    def client(self, token: str | None = None, **headers: str) -> httpx.AsyncClient:
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.app),
            base_url="http://test",
            headers={"Authorization": f"Bearer {token or self.token}", **headers},
        )
        self.clients.append(client)
        return client

    @asynccontextmanager
    async def db(self, scope: Scope | None = None) -> AsyncIterator[Db]:
        async with self.database.transaction(scope or self.scope()) as db:
            yield db

    async def token_for(
        self, role: str = "editor", scopes: list[str] | None = None, **fields: Any
    ) -> str:
        """The token of a new member."""
        async with self.db() as db:
            user = await accounts.find_or_create_user(db, f"{uuid4().hex}@example.test")
            member = self.scope()
            await db.driver.execute(
                "INSERT INTO members (account_id, user_id, role) VALUES ($1, $2, $3)",
                self.account_id,
                user.id,
                role,
            )
            new = await accounts.create_token_for(
                member, db, user.id, name="test", scopes=scopes or ["admin"], **fields
            )
            return new.secret

    async def close(self) -> None:
        for client in self.clients:
            await client.aclose()


async def make_world(database: Database, app: Any) -> World:
    slug = f"t-{uuid4().hex[:20]}"
    async with database.transaction(NOBODY) as db:
        new = await accounts.create_first_account(
            db, AccountCreate(name=slug, slug=slug), f"{slug}@example.test"
        )
    return World(database, app, new.account.id, new.project.id, new.user.id, new.token)
