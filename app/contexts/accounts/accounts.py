"""Accounts and users. Their two tables have no row security and are read and written only here."""

import itertools

import msgspec
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from app import feed
from app.contexts import runs
from app.contexts.accounts.tokens import create_token_for
from app.db import Db, Role, Tenant
from app.errors import Conflict, Forbidden, Invalid, NotFound
from app.models import (
    Account,
    ApiToken,
    Component,
    ContinuitySettings,
    FeedCounter,
    FeedEventRow,
    FleetSettings,
    IdempotencyKey,
    Member,
    OrchestrationNature,
    Project,
    User,
    UserPreference,
)
from app.models.base import new_uuid
from app.paging import PageRequest, fetch_page
from app.schemas.accounts import AccountCreate, AccountUpdate
from app.schemas.base import Page
from app.scope import Scope, one, saved, version_of

RESERVED_SLUGS = frozenset(
    "about account accounts admin api app assets auth billing blog dashboard docs feed health help "
    "hooks login logout mail mcp metrics openapi root signup static status support system terms "
    "www".split()
)


class NewAccount(msgspec.Struct):
    account: Account
    project: Project
    user: User
    token: str


class Me(msgspec.Struct):
    user: User
    account: Account
    project: Project | None
    role: str
    token: ApiToken


async def list_accounts(scope: Scope, db: Db, request: PageRequest) -> Page[Account]:
    """Lists the accounts of which the user is an active member, whichever of them the token acts
    in."""
    mine = (
        select(Account)
        .join(Member, Member.account_id == Account.id)
        .where(Member.user_id == scope.user_id, Member.is_active)
    )
    return await fetch_page(db, mine, [Account.id], request)


async def get_account(scope: Scope, db: Db, account_id: int) -> Account:
    """Raises NotFound for an account of which the user is not an active member."""
    mine = (
        select(Account)
        .join(Member, Member.account_id == Account.id)
        .where(Account.id == account_id, Member.user_id == scope.user_id, Member.is_active)
    )
    account = await db.session.scalar(mine)
    if account is None:
        raise NotFound
    return account


async def get_me(scope: Scope, db: Db) -> Me:
    """The user, account, project, role and token of the request."""
    account = await get_account(scope, db, scope.account_id)
    member = await one(db, scope.select(Member).where(Member.user_id == scope.user_id))
    token = await one(db, scope.select(ApiToken).where(ApiToken.id == scope.token_id))
    user = await db.session.get_one(User, scope.user_id)
    project = None
    if scope.project_id is not None:
        project = await one(db, scope.select(Project).where(Project.id == scope.project_id))
    return Me(user, account, project, member.role, token)


async def create_account(scope: Scope, db: Db, data: AccountCreate) -> NewAccount:
    """Makes the user its owner and gives them a token, since no other token acts in the new
    account.

    Raises Forbidden unless the token of the request has the scope `admin`, no expiry and no
    project, for the token of the new account has.
    """
    scope.require_write()
    scope.require_whole_account()
    own = await one(db, scope.select(ApiToken).where(ApiToken.id == scope.token_id))
    if "admin" not in own.scopes or own.expires_at is not None:
        raise Forbidden("A new account needs a token of scope `admin` without expiry.")
    user = await db.session.get_one(User, scope.user_id)
    return await _open_account(db, user, data)


async def create_first_account(db: Db, data: AccountCreate, owner_email: str) -> NewAccount:
    """Creates an account for the administrator of the database, without authentication."""
    return await _open_account(db, await find_or_create_user(db, owner_email), data)


async def free_slug(db: Db, name: str) -> str:
    """Turns `Acme, Inc.` into `acme-inc`, or `acme-inc-2` when that is taken or reserved."""
    words = "".join(c if c.isascii() and c.isalnum() else " " for c in name.lower()).split()
    base = "-".join(words)[:40].strip("-")
    base = base if len(base) >= 3 else f"account-{base}".strip("-")
    taken = set(await db.session.scalars(select(Account.slug).where(Account.slug.startswith(base))))
    candidates = itertools.chain([base], (f"{base}-{n}" for n in itertools.count(2)))
    return next(slug for slug in candidates if slug not in taken | RESERVED_SLUGS)


async def create_default_account(db: Db, owner_email: str) -> NewAccount | None:
    """Creates an account on an empty server; once, however many processes start at the same
    time."""
    await db.driver.execute(
        "SELECT pg_advisory_xact_lock(hashtext('agent-sessions first account'))"
    )
    if await db.driver.fetchval("SELECT EXISTS (SELECT FROM accounts)"):
        return None
    data = AccountCreate(name="default", slug="default")
    return await create_first_account(db, data, owner_email)


async def _open_account(db: Db, user: User, data: AccountCreate) -> NewAccount:
    if data.slug in RESERVED_SLUGS:
        raise Invalid.field("slug", "is reserved")
    account = Account(name=data.name, slug=data.slug, type=data.type)
    db.session.add(account)
    await db.session.flush()  # the id is the tenant of everything below
    tenant = Tenant(account_id=account.id, user_id=user.id, role=Role.OWNER)
    scope = Scope(account_id=account.id, user_id=user.id, role=Role.OWNER)
    async with db.acting_as(tenant):
        db.session.add(scope.build(Member, user_id=user.id, role=Role.OWNER.value))
        project = scope.build(Project, name="default", slug="default", status="active")
        db.session.add(project)
        await db.session.flush()  # the preference needs the project's id
        db.session.add(scope.build(UserPreference, user_id=user.id, active_project_id=project.id))
        await runs.create_known_natures(scope, db)
        feed.record(scope, db, "account.created", account.id)
        token = await create_token_for(scope, db, user.id, name="first token", scopes=["admin"])
    return NewAccount(account, project, user, token.secret)


async def update_account(scope: Scope, db: Db, account_id: int, data: AccountUpdate) -> Account:
    """Raises Conflict `slug_taken`, Invalid for a reserved slug, Forbidden for another account of
    the user's."""
    account = await _own_account(scope, db, account_id)
    scope.require_admin()
    scope.require_whole_account()
    await _lock(db, account)
    if isinstance(data.name, str):
        account.name = data.name
    if isinstance(data.slug, str):
        if data.slug in RESERVED_SLUGS:
            raise Invalid.field("slug", "is reserved")
        account.slug = data.slug
    await saved(db, account)
    feed.record(scope, db, "account.updated", account.id)
    return account


async def delete_account(scope: Scope, db: Db, account_id: int) -> None:
    """Raises Conflict `account_has_history` while the account has tracked work of any kind; a lock
    timeout, which becomes a 503, while it is being written to."""
    account = await _own_account(scope, db, account_id)
    scope.require_owner()
    scope.require_whole_account()
    # A transaction that is writing must finish before the account's counter is deleted. Give up
    # waiting for it before PostgreSQL looks for deadlocks, after a second.
    await db.driver.execute("SET LOCAL lock_timeout = '500ms'")
    await _lock(db, account, alone=True)
    try:
        for model in (
            FeedEventRow,
            FeedCounter,
            IdempotencyKey,
            ContinuitySettings,
            FleetSettings,
            Component,
            OrchestrationNature,
            Project,
            Member,
        ):
            await db.session.execute(scope.delete(model))
        await db.session.delete(account)
        await db.session.flush()  # the foreign keys of all work tables answer here
    except IntegrityError:
        raise Conflict(
            "The account still has history; delete its sessions and other work first.",
            code="account_has_history",
        ) from None
    db.changed.add("account")


async def set_active_project(scope: Scope, db: Db, project_id: int | None) -> None:
    """Sets the project with which the user's new rows in this account are stamped from now on."""
    scope.require_whole_account()
    if project_id is not None:
        await one(db, scope.select(Project).where(Project.id == project_id))
    values = {"active_project_id": project_id}
    await db.session.execute(
        insert(UserPreference)
        .values(account_id=scope.account_id, user_id=scope.user_id, **values)
        .on_conflict_do_update(index_elements=["account_id", "user_id"], set_=values)
    )
    feed.record(scope, db, "preference.updated", scope.user_id, project_id=project_id)


async def find_or_create_user(db: Db, email: str, name: str | None = None) -> User:
    """Returns the same user to concurrent requests that name the same new address."""
    await db.session.execute(
        insert(User).values(uuid=new_uuid(), email=email, name=name).on_conflict_do_nothing()
    )
    found = await db.session.scalars(
        select(User).where(func.lower(User.email) == func.lower(email))
    )
    return found.one()


async def _own_account(scope: Scope, db: Db, account_id: int) -> Account:
    account = await get_account(scope, db, account_id)
    if account.id != scope.account_id:
        raise Forbidden("This token acts in another of your accounts.")
    return account


async def _lock(db: Db, account: Account, *, alone: bool = False) -> None:
    """Locks an account as `locked` does a tenant's row; `alone` also waits for transactions that
    refer to it."""
    await db.session.refresh(account, with_for_update={"key_share": not alone})
    db.require_version(version_of(account))
