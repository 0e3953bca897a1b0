from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from app.schemas.base import Email, Input, Instant, Name, Output, RowId, Slug

MemberRole = Literal["owner", "admin", "editor", "viewer"]
TokenScope = Literal["read", "write", "admin"]
AccountType = Literal["personal", "team"]


class AccountCreate(Input):
    name: Annotated[str, Meta(min_length=1, max_length=100)]
    slug: Slug
    type: AccountType = "team"


class AccountUpdate(Input):
    name: Annotated[str, Meta(min_length=1, max_length=100)] | UnsetType = UNSET
    slug: Slug | UnsetType = UNSET


class AccountOut(Output):
    id: int
    uuid: UUID
    name: str
    slug: str
    type: str
    inserted_at: Instant
    updated_at: Instant


class AccountCreated(AccountOut):
    """`token` acts as the owner in the new account. It is shown only this once."""

    token: str


class UserOut(Output):
    id: int
    uuid: UUID
    email: str
    name: str | None


class MemberCreate(Input):
    email: Email
    role: MemberRole
    name: Name | None = None


class MemberUpdate(Input):
    role: MemberRole | UnsetType = UNSET
    is_active: bool | UnsetType = UNSET


class MemberOut(Output):
    id: int
    user: UserOut
    role: MemberRole
    is_active: bool
    inserted_at: Instant
    updated_at: Instant


class TokenCreate(Input):
    name: Name
    scopes: Annotated[list[TokenScope], Meta(min_length=1, max_length=3)] = msgspec.field(
        default_factory=lambda: ["write"]
    )
    project_id: RowId | None = None
    expires_at: Instant | None = None


class TokenUpdate(Input):
    name: Name | UnsetType = UNSET


class TokenOut(Output):
    id: int
    name: str
    user_id: int
    project_id: int | None
    scopes: list[TokenScope]
    expires_at: Instant | None
    revoked_at: Instant | None
    last_used_at: Instant | None
    inserted_at: Instant


class TokenCreated(TokenOut):
    """`token` is the whole secret. It is shown only this once."""

    token: str


class ActiveProject(Input):
    project_id: RowId | None


class ProjectReference(Output):
    id: int
    name: str
    slug: str


class TokenReference(Output):
    id: int
    name: str
    scopes: list[TokenScope]


class Me(Output):
    user: UserOut
    account: AccountOut
    project: ProjectReference | None
    role: MemberRole
    token: TokenReference
