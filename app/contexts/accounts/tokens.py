"""API tokens. A token reads `as_<account>-<n>_<secret>`; only the secret's SHA-256 is kept."""

import datetime
import hashlib
import re
import secrets
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, Select, func

from app import feed
from app.db import Db, Role
from app.errors import Forbidden, Invalid, NotFound
from app.models import ApiToken, Project
from app.paging import PageRequest, fetch_page
from app.schemas.accounts import TokenCreate, TokenUpdate
from app.schemas.base import MAX_BIGINT, Page
from app.scope import Scope, one

_FORMAT = re.compile(r"as_([1-9][0-9]{0,18})-([1-9][0-9]{0,18})_([A-Za-z0-9_-]{43})", re.ASCII)
_SCOPES_BY_ROLE = {
    Role.VIEWER: {"read"},
    Role.EDITOR: {"read", "write"},
}


class ParsedToken(NamedTuple):
    account_id: int
    token_id: int
    sha256: bytes


class NewToken(NamedTuple):
    token: ApiToken
    secret: str
    """The whole token, as its owner must send it. It is shown only this once."""


def parse_token(text: str) -> ParsedToken | None:
    """None for text that is not a token."""
    match = _FORMAT.fullmatch(text)
    if match is None:
        return None
    account_id, token_id = int(match[1]), int(match[2])
    if account_id > MAX_BIGINT or token_id > MAX_BIGINT:
        return None
    return ParsedToken(account_id, token_id, hashlib.sha256(match[3].encode()).digest())


async def list_tokens(scope: Scope, db: Db, request: PageRequest) -> Page[ApiToken]:
    """Lists the user's tokens, or all of them for an administrator; revoked ones stay listed."""
    return await fetch_page(db, _visible(scope), [ApiToken.id], request)


async def get_token(scope: Scope, db: Db, token_id: int) -> ApiToken:
    return await one(db, _visible(scope).where(ApiToken.id == token_id))


def _visible(scope: Scope) -> Select[tuple[ApiToken]]:
    """The tokens the scope may see; a token made for one project sees only those made for it
    too."""
    statement = scope.select(ApiToken)
    if not scope.is_administrator:
        statement = statement.where(ApiToken.user_id == scope.user_id)
    if scope.token_project_id is not None:
        statement = statement.where(ApiToken.project_id == scope.token_project_id)
    return statement


async def create_token(scope: Scope, db: Db, data: TokenCreate) -> NewToken:
    """Creates a token for the user. Raises Forbidden when it could do more, or live longer, than
    the token of the request."""
    allowed = _SCOPES_BY_ROLE.get(scope.role, {"read", "write", "admin"})
    if not allowed.issuperset(data.scopes):
        raise Forbidden("A token cannot allow more than the token that creates it.")
    project_id = data.project_id
    if scope.token_project_id is not None:
        project_id = scope.token_project_id if project_id is None else project_id
        if project_id != scope.token_project_id:
            raise NotFound
    if scope.user_id is None:
        raise Forbidden
    own = await one(db, scope.select(ApiToken).where(ApiToken.id == scope.token_id))
    expires_at = data.expires_at or own.expires_at
    if own.expires_at is not None and expires_at is not None and expires_at > own.expires_at:
        raise Forbidden("A token cannot outlive the token that creates it.")
    return await create_token_for(
        scope,
        db,
        scope.user_id,
        name=data.name,
        scopes=data.scopes,
        project_id=project_id,
        expires_at=expires_at,
    )


async def create_token_for(
    scope: Scope,
    db: Db,
    user_id: int,
    *,
    name: str,
    scopes: Sequence[str],
    project_id: int | None = None,
    expires_at: datetime.datetime | None = None,
) -> NewToken:
    """Creates a token without checking what the scope allows: for commands that administer a
    server."""
    if expires_at is not None and expires_at <= datetime.datetime.now(datetime.UTC):
        raise Invalid.field("expires_at", "must be in the future")
    if project_id is not None:
        await one(db, scope.select(Project).where(Project.id == project_id))
    secret = secrets.token_urlsafe(32)
    token = scope.build(
        ApiToken,
        user_id=user_id,
        name=name,
        scopes=sorted(set(scopes)),
        project_id=project_id,
        expires_at=expires_at,
        secret_sha256=hashlib.sha256(secret.encode()).digest(),
    )
    db.session.add(token)
    await db.session.flush()  # the token's text contains its id
    feed.record(scope, db, "token.created", token.id)
    return NewToken(token, f"as_{token.account_id}-{token.id}_{secret}")


async def update_token(scope: Scope, db: Db, token_id: int, data: TokenUpdate) -> ApiToken:
    token = await get_token(scope, db, token_id)
    if isinstance(data.name, str):
        token.name = data.name
        feed.record(scope, db, "token.updated", token.id)
    return token


async def revoke_token(scope: Scope, db: Db, token_id: int) -> ApiToken:
    """Revoking it again changes nothing, so the first time stays on record."""
    token = await get_token(scope, db, token_id)
    if token.revoked_at is None:
        await db.session.execute(
            scope.update(ApiToken).where(ApiToken.id == token.id).values(revoked_at=func.now())
        )
        await db.session.refresh(token)
        feed.record(scope, db, "token.revoked", token.id)
    return token


async def delete_project_tokens(scope: Scope, db: Db, project_id: int) -> None:
    """Delete the tokens made for a project, which goes with them."""
    await delete_tokens(scope, db, ApiToken.project_id == project_id)


async def delete_tokens(scope: Scope, db: Db, condition: ColumnElement[bool]) -> None:
    scope.require_admin()
    tokens = scope.delete(ApiToken).where(condition).returning(ApiToken.id)
    for token_id in await db.session.scalars(tokens):
        feed.record(scope, db, "token.deleted", token_id)
