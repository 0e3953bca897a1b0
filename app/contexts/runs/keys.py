"""Identifiers that clients choose are unique per account, whatever the project."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ARRAY, Text, any_, literal
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql import ColumnElement

from app.db import Db
from app.errors import Conflict
from app.models.base import TenantOwned
from app.scope import Scope


async def refuse_taken_key(
    scope: Scope, db: Db, model: type[TenantOwned], column: InstrumentedAttribute[str], key: str
) -> None:
    """Raises Conflict `id_taken`, or `key_in_other_project` when the scope cannot see the row."""
    if await db.session.scalar(scope.select(model).where(column == key)) is not None:
        raise id_taken(key)
    if scope.strict:
        anywhere = scope.account_wide().select(model).where(column == key)
        if await db.session.scalar(anywhere) is not None:
            raise key_in_other_project(key)


def id_taken(key: str, **details: Any) -> Conflict:
    return Conflict(f"The id {key} is taken.", code="id_taken", id=key, **details)


def key_in_other_project(key: str, **details: Any) -> Conflict:
    return Conflict(
        f"The id {key} is used in another project of this account.",
        code="key_in_other_project",
        id=key,
        **details,
    )


def among(column: InstrumentedAttribute[Any], keys: Sequence[str]) -> ColumnElement[bool]:
    """Matches any of the keys. Unlike IN it is one statement, however many they are."""
    return column == any_(literal(list(keys), ARRAY(Text)))
