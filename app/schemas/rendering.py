"""Turns rows into the structs that doors show."""

from typing import Any, TypeVar

import msgspec

from app.schemas.base import Page

Out = TypeVar("Out")


def rendered(row: Any, schema: type[Out]) -> Out:
    """The fields of a row that a schema shows."""
    return msgspec.convert(row, schema, from_attributes=True)


def rendered_page(page: Page[Any], schema: type[Out]) -> Page[Out]:
    return Page([rendered(row, schema) for row in page.data], page.next_cursor)
