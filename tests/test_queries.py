"""Named parameters become PostgreSQL's numbered ones, or the module does not import."""

from typing import Any, NamedTuple

import msgspec
import pytest

from app.db import Database
from app.queries import Query, project_wall


class Pair(NamedTuple):
    account_id: int
    name: str


class PairStruct(msgspec.Struct):
    account_id: int
    name: str


class Single(msgspec.Struct):
    name: str


@pytest.mark.parametrize("pair", [Pair(7, "x"), PairStruct(7, "x")])
def test_parameters_are_numbered_in_the_order_of_the_fields(pair: Any) -> None:
    query = Query(type(pair), "SELECT :name::text, :account_id, :name")
    assert query(pair) == ("SELECT $2::text, $1, $2", 7, "x")


def test_a_struct_of_one_field_is_one_parameter() -> None:
    assert Query(Single, "SELECT :name")(Single("x")) == ("SELECT $1", "x")


def test_literals_comments_casts_and_slices_are_left_alone() -> None:
    text = """SELECT ':a', 'it''s :b', ":c", x[1:n], y::text -- :d
FROM t WHERE t = """
    assert Query(Single, f"{text}:name").sql == f"{text}$1"


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("SELECT :account_id, :name, :other", "Pair has no field other"),
        ("SELECT :name", "account_id: not used"),
        ("SELECT :account_id, :name, $1", r"\$1 is not a name"),
    ],
)
def test_a_statement_that_does_not_fit_its_struct_is_refused(statement: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Query(Pair, statement)


async def test_postgresql_takes_what_is_made(database: Database) -> None:
    query = Query(Pair, "SELECT :account_id::bigint + 1 AS following, upper(:name) AS shout")
    async with database.unscoped() as driver:
        row = await driver.fetchrow(*query(Pair(7, "x")))
    assert row is not None
    assert dict(row) == {"following": 8, "shout": "X"}


@pytest.mark.parametrize(
    ("only", "own", "visible"),
    [(None, None, True), (None, 5, True), (5, 5, True), (5, 6, False), (5, None, False)],
)
async def test_the_project_wall_hides_other_projects_and_rows_without_one(
    database: Database, only: int | None, own: int | None, visible: bool
) -> None:
    rows = "SELECT count(*) FROM (SELECT $2::bigint AS project_id) AS item WHERE "
    async with database.unscoped() as driver:
        found = await driver.fetchval(rows + project_wall("$1", "item"), only, own)
    assert found == int(visible)
