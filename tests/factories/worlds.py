"""Two tenants, to show that what one has does not exist for the other."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from app.db import Database
from tests.factories import World, make_world


class Worlds(NamedTuple):
    """One that asks, and one that has a row of each kind and another project."""

    mine: World
    other: World
    project_id: int
    ids: Any
    """What `fill` has told about its rows."""


async def make_worlds(
    database: Database, app: Any, fill: Callable[[World], Awaitable[Any]]
) -> Worlds:
    """To be shared by tests whose every call fails and rolls back."""
    mine, other = await make_world(database, app), await make_world(database, app)
    ids = await fill(other)
    async with other.db() as db:
        project_id = await db.driver.fetchval(
            "INSERT INTO projects (account_id, name, slug) VALUES ($1, 'o', 'other') RETURNING id",
            other.account_id,
        )
    return Worlds(mine, other, project_id, ids)
