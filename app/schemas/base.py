"""The parts that all schemas are made of."""

import datetime
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from msgspec import UNSET, Meta

MAX_BIGINT = 2**63 - 1
MAX_INTEGER = 2**31 - 1
MAX_PAGE = 100
MAX_BATCH = 500
MAX_NAME = 200
MAX_TEXT = 20_000

Integer = Annotated[int, Meta(ge=-MAX_INTEGER - 1, le=MAX_INTEGER)]
RowId = Annotated[int, Meta(ge=1, le=MAX_BIGINT)]
Instant = Annotated[datetime.datetime, Meta(tz=True)]
Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]
Text = Annotated[str, Meta(max_length=MAX_TEXT)]
# Python's `$` also matches before a last line break.
Slug = Annotated[str, Meta(pattern=r"^[a-z0-9-]{3,50}$(?!\n)")]
Email = Annotated[str, Meta(pattern=r"^[^@\s]+@[^@\s]+$(?!\n)", max_length=320)]

Item = TypeVar("Item")


# gc=False: decoded documents are trees, so the garbage collector finds no cycles in them.
class Input(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, gc=False):
    """A request body. An unknown field is an error, so that a typo never passes silently."""


class Move(Input):
    """The project to move to; null for none."""

    project_id: RowId | None


def given(data: Input) -> dict[str, Any]:
    """The fields that a PATCH body contains, null included."""
    fields = msgspec.structs.asdict(data)
    return {name: value for name, value in fields.items() if value is not UNSET}


class Output(msgspec.Struct, kw_only=True, gc=False):
    """A response body."""


class Live(Output):
    """A response body without an ETag, because some of it changes as time passes."""


class Page(msgspec.Struct, Generic[Item]):
    """One page of a list; `next_cursor` is null on the last one."""

    data: list[Item]
    next_cursor: str | None


class Batch(msgspec.Struct, Generic[Item]):
    """What a batch created, in the order it was posted."""

    data: list[Item]
