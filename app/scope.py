"""The scope of a request: who asks, and therefore which rows exist for them."""

import datetime
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
from sqlalchemy import ColumnElement, Delete, Select, Update, delete, inspect, select, update

from app.db import Db, Role, Tenant
from app.errors import Forbidden, Invalid, NotFound
from app.models.base import Base, ProjectOwned, TenantOwned

Model = TypeVar("Model", bound=TenantOwned)
Row = TypeVar("Row", bound=Base)

_WRITERS = frozenset({Role.OWNER, Role.ADMIN, Role.EDITOR, Role.SYSTEM})
_ADMINISTRATORS = frozenset({Role.OWNER, Role.ADMIN, Role.SYSTEM})


class Scope(Tenant, frozen=True, kw_only=True):
    """Made once per request from the token, never from ids in a body.

    `role` is the member's role narrowed by what the token allows; PostgreSQL is told the same.
    `project_id` stamps what is created and filters what is listed. When `strict` (the token or the
    request demanded that project), rows of other projects do not exist at all; otherwise a row
    addressed by its id is found anywhere in the account.
    """

    project_id: int | None = None
    strict: bool = False
    token_id: int | None = None
    token_project_id: int | None = None
    may_write: bool = True
    """Whether the token allows any change at all, the user's own preferences included."""

    def select(self, model: type[Model]) -> Select[tuple[Model]]:
        """Selects the rows that exist for this scope, to find one by its id."""
        statement = select(model).where(model.account_id == self.account_id)
        return self._in_project(statement, model) if self.strict else statement

    def select_listed(self, model: type[Model]) -> Select[tuple[Model]]:
        """Selects the rows that a list shows: as `select`, narrowed to the active project if there
        is one."""
        statement = select(model).where(model.account_id == self.account_id)
        return statement if self.project_id is None else self._in_project(statement, model)

    def _in_project(
        self, statement: Select[tuple[Model]], model: type[Model]
    ) -> Select[tuple[Model]]:
        column = model.project_column()
        return statement if column is None else statement.where(column == self.project_id)

    def update(self, model: type[Model]) -> Update:
        """Updates many rows at once; a single row is changed through the ORM."""
        return update(model).where(model.account_id == self.account_id)

    def delete(self, model: type[Model]) -> Delete:
        """Deletes many rows at once, of whatever project."""
        return delete(model).where(model.account_id == self.account_id)

    def build(self, model: type[Model], **fields: Any) -> Model:
        """Makes a new row of this account and, where rows have one, of this project."""
        for name, value in fields.items():
            if isinstance(
                value, datetime.datetime
            ):  # the answer may show it before PostgreSQL has it
                fields[name] = value.astimezone(datetime.UTC)
        if issubclass(model, ProjectOwned):
            fields.setdefault("project_id", self.project_id)
        return model(account_id=self.account_id, **fields)

    def account_wide(self) -> "Scope":
        """The same scope without a project: a client's ids are unique, and its items taken, in the
        whole account."""
        return msgspec.structs.replace(self, project_id=None, strict=False)

    @property
    def strict_project_id(self) -> int | None:
        """The only project that exists, or None for the whole account: `project_wall` in hot
        statements."""
        return self.project_id if self.strict else None

    def require_change(self) -> None:
        """Raises Forbidden for a token of scope `read`, which changes nothing at all."""
        if not self.may_write:
            raise Forbidden("This token may only read.")

    def require_write(self) -> None:
        self.require_change()
        if self.role not in _WRITERS:
            raise Forbidden

    def require_whole_account(self) -> None:
        """Raises Forbidden for a token made for one project, since it never leaves that project."""
        if self.token_project_id is not None:
            raise Forbidden("This token is made for one project.")

    @property
    def is_administrator(self) -> bool:
        return self.role in _ADMINISTRATORS

    def require_admin(self) -> None:
        if not self.is_administrator:
            raise Forbidden

    def require_owner(self) -> None:
        if self.role is not Role.OWNER:
            raise Forbidden


async def locked(db: Db, statement: Select[tuple[Model]]) -> Model:
    """The row, locked to be changed.

    Raises Forbidden for a role that may not write (row security would show it no row to lock),
    NotFound, and PreconditionFailed when the request's If-Match names another version.
    """
    if db.tenant.role not in _WRITERS:
        raise Forbidden
    # Not FOR UPDATE: a transaction that only refers to the row must not wait for it, or the two
    # could deadlock.
    row = await one(db, statement.with_for_update(key_share=True))
    db.require_version(version_of(row))
    return row


async def saved(db: Db, row: Row, *columns: str) -> Row:
    """Writes the row, a new one included, and reads what PostgreSQL made of it: ids, defaults,
    times. With `columns` only these are read again."""
    db.session.add(row)
    await db.session.flush()  # the row must be there to be read
    await db.session.refresh(row, columns or None)
    return row


async def update_all(
    scope: Scope, db: Db, model: type[Model], condition: ColumnElement[bool], **values: Any
) -> Sequence[Model]:
    """Change all rows of the account that meet the condition, whatever their project, and return
    them.

    They are locked in the order of their keys first, as in every transaction that locks several
    rows of a kind: in different orders, two would wait for each other.
    """
    keys = inspect(model).primary_key
    rows = scope.account_wide().select(model).where(condition).with_only_columns(*keys)
    await db.session.execute(rows.order_by(*keys).with_for_update(key_share=True))
    statement = scope.update(model).where(condition).values(**values).returning(model)
    fresh = {"populate_existing": True}
    return (await db.session.scalars(statement, execution_options=fresh)).all()


async def require_visible(
    scope: Scope, db: Db, model: type[Model], row_id: int | None, field: str
) -> Model | None:
    """Return the row that a request's field refers to; None for a field that is null.

    Raises Invalid, naming the field, for a row that does not exist for this scope.
    """
    if row_id is None:
        return None
    key = inspect(model).primary_key[-1]
    row = await db.session.scalar(scope.select(model).where(key == row_id))
    if row is None:
        raise Invalid.field(field, f"is not a visible {field.split('_')[-2]}")
    return row


def version_of(row: object) -> str | None:
    """The version that an ETag shows, or the time of the last change where a row has none."""
    version = getattr(row, "version", None)
    if isinstance(version, int):
        return str(version)
    changed = getattr(row, "updated_at", None)
    return f"{changed:%Y%m%dT%H%M%S.%f}" if isinstance(changed, datetime.datetime) else None


async def one(db: Db, statement: Select[tuple[Model]]) -> Model:
    """The row, or NotFound: a missing row and one of another tenant look the same."""
    row = await db.session.scalar(statement)
    if row is None:
        raise NotFound
    return row
