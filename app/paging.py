"""Keyset pagination: a page starts after the last row of the page before, never at an offset."""

import base64
import binascii
import datetime
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar, cast

import msgspec
from sqlalchemy import BigInteger, ColumnClause, ColumnElement, Label, Select, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from app.db import Db
from app.errors import Invalid
from app.models.base import Base
from app.schemas.base import MAX_BIGINT, MAX_INTEGER, Page

Row = TypeVar("Row", bound=Base)
Key = InstrumentedAttribute[Any] | Label[Any] | ColumnClause[Any]


class PageRequest(NamedTuple):
    """`limit` is 1–100; `cursor` is the `next_cursor` of a page of the same list."""

    limit: int = 50
    cursor: str | None = None


async def fetch_page(
    db: Db,
    statement: Select[tuple[Row]],
    keys: Sequence[Key],
    request: PageRequest,
    *,
    descending: bool = True,
    columns: Sequence[Key] = (),
) -> Page[Row]:
    """`keys` are the columns that order the list, unique together. With `columns` the rows are
    plain rows of these instead of models, whose loading takes most of the time of a long page.

    Raises Invalid for a cursor of another list.
    """
    if request.cursor is not None:
        after = decode_cursor(request.cursor, keys)
        position = tuple_(*keys)
        statement = statement.where(position < after if descending else position > after)
    order = [key.desc() if descending else key.asc() for key in keys]
    statement = statement.order_by(*order).limit(request.limit + 1)
    if columns:
        plain = await db.connection.execute(statement.with_only_columns(*columns))
        rows = cast("list[Row]", plain.all())
    else:
        rows = list(await db.session.scalars(statement))
    more = len(rows) > request.limit
    rows = rows[: request.limit]
    return Page(data=rows, next_cursor=encode_cursor(rows[-1], keys) if more else None)


def filtered(
    statement: Select[Any], filters: msgspec.Struct, **columns: ColumnElement[Any] | Key
) -> Select[Any]:
    """Keeps the rows whose columns equal the filters of the same names, or are among them; None
    and an empty list narrow nothing."""
    for name, column in columns.items():
        value = getattr(filters, name)
        if isinstance(value, list) and value:
            statement = statement.where(column.in_(value))
        elif value is not None and value != []:
            statement = statement.where(column == value)
    return statement


def encode_cursor(row: object, keys: Sequence[Key]) -> str:
    values = {key.key: getattr(row, key.key) for key in keys}
    return base64.urlsafe_b64encode(msgspec.json.encode(values)).decode().rstrip("=")


def decode_cursor(cursor: str, keys: Sequence[Key]) -> tuple[Any, ...]:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        values = msgspec.json.decode(base64.urlsafe_b64decode(padded.encode("ascii")), type=dict)
        if set(values) != {key.key for key in keys}:
            raise ValueError("other keys")
        return tuple(_key_value(key, values[key.key]) for key in keys)
    except (ValueError, OverflowError, binascii.Error, msgspec.MsgspecError):
        raise Invalid.field("cursor", "is not a next_cursor of this list") from None


def _key_value(key: Key, value: Any) -> Any:
    python_type = key.type.python_type
    converted = msgspec.convert(value, python_type)
    if python_type is int:
        highest = MAX_BIGINT if isinstance(key.type, BigInteger) else MAX_INTEGER
        if not -highest - 1 <= converted <= highest:
            raise ValueError("beyond the type of the column")
    if python_type is datetime.datetime:
        if converted.tzinfo is None:
            raise ValueError("without a time zone")
        return converted.astimezone(datetime.UTC)
    if python_type is str and "\0" in converted:
        raise ValueError("no text of PostgreSQL")
    return converted
