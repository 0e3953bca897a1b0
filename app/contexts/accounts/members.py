"""The members of an account and their roles."""

from typing import Any

from sqlalchemy import and_, func, or_
from sqlalchemy.orm import joinedload

from app import feed
from app.contexts.accounts.accounts import find_or_create_user
from app.contexts.accounts.tokens import delete_tokens
from app.db import Db, Role
from app.errors import Conflict, Forbidden
from app.models import ApiToken, Member, User
from app.paging import PageRequest, fetch_page
from app.schemas.accounts import MemberCreate, MemberUpdate
from app.schemas.base import Page
from app.scope import Scope, one, saved, version_of


async def list_members(scope: Scope, db: Db, request: PageRequest) -> Page[Member]:
    statement = scope.select(Member).options(joinedload(Member.user))
    return await fetch_page(db, statement, [Member.id], request)


async def get_member(scope: Scope, db: Db, member_id: int) -> Member:
    statement = scope.select(Member).where(Member.id == member_id)
    return await one(db, statement.options(joinedload(Member.user)))


async def find_member(scope: Scope, db: Db, email: str) -> Member:
    """Raises NotFound when the address belongs to no member of the account."""
    statement = scope.select(Member).join(Member.user)
    return await one(db, statement.where(func.lower(User.email) == email.lower()))


async def create_member(scope: Scope, db: Db, data: MemberCreate) -> Member:
    """Creates the user too, if the address is new. Raises Conflict `already_member`."""
    scope.require_admin()
    scope.require_whole_account()
    _require_rank(scope, data.role)
    user = await find_or_create_user(db, data.email, data.name)
    member = scope.build(Member, user_id=user.id, role=data.role, user=user)
    db.session.add(member)
    await db.session.flush()  # its id goes into the feed
    feed.record(scope, db, "member.created", member.id, **_payload(member))
    return member


async def update_member(scope: Scope, db: Db, member_id: int, data: MemberUpdate) -> Member:
    """Raises Conflict `last_owner` when the account would have no active owner left."""
    scope.require_admin()
    scope.require_whole_account()
    owners = await _lock_owners(scope, db, member_id)
    member = await _get_locked(scope, db, member_id)
    role = data.role if isinstance(data.role, str) else member.role
    is_active = data.is_active if isinstance(data.is_active, bool) else member.is_active
    _require_rank(scope, member.role)
    _require_rank(scope, role)
    if role != Role.OWNER or not is_active:
        _require_another_owner(owners, member)
    member.role, member.is_active = role, is_active
    await saved(db, member, "updated_at")  # its user stays loaded
    feed.record(scope, db, "member.updated", member.id, **_payload(member))
    return member


async def delete_member(scope: Scope, db: Db, member_id: int) -> None:
    """Deletes the member's tokens too. Raises Conflict `last_owner` as `update_member` does."""
    scope.require_admin()
    scope.require_whole_account()
    owners = await _lock_owners(scope, db, member_id)
    member = await _get_locked(scope, db, member_id)
    _require_rank(scope, member.role)
    _require_another_owner(owners, member)
    await delete_tokens(scope, db, ApiToken.user_id == member.user_id)
    await db.session.delete(member)
    feed.record(scope, db, "member.deleted", member.id, **_payload(member))


async def _get_locked(scope: Scope, db: Db, member_id: int) -> Member:
    """The member that `_lock_owners` has locked. Raises PreconditionFailed as `locked` does."""
    member = await get_member(scope, db, member_id)
    db.require_version(version_of(member))
    return member


def _require_rank(scope: Scope, role: str) -> None:
    """Raises Forbidden unless an owner makes, changes or removes an owner."""
    if role == Role.OWNER and scope.role not in {Role.OWNER, Role.SYSTEM}:
        raise Forbidden("Only an owner may create, change or remove an owner.")


async def _lock_owners(scope: Scope, db: Db, member_id: int) -> set[int]:
    """Locks the active owners and this member in one order and returns the owners' ids, so that two
    owners can neither remove each other at the same time nor deadlock."""
    is_owner = and_(Member.role == Role.OWNER.value, Member.is_active)
    found = await db.session.scalars(
        scope.select(Member)
        .where(or_(is_owner, Member.id == member_id))
        .order_by(Member.id)
        .with_for_update(key_share=True)
    )
    return {m.id for m in found if m.role == Role.OWNER and m.is_active}


def _require_another_owner(owners: set[int], member: Member) -> None:
    if owners <= {member.id}:
        raise Conflict("An account needs at least one active owner.", code="last_owner")


def _payload(member: Member) -> dict[str, Any]:
    return {"role": member.role, "is_active": member.is_active}
