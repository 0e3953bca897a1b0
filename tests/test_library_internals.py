"""Written for Litestar 2.25 and asyncpg 0.32: with others, look at `app/library_internals.py`."""

import socket
from importlib.metadata import version
from typing import Any

from litestar.utils.scope.state import ScopeState

from app.db import Database
from app.library_internals import forget_response, socket_of
from tests.test_architecture import APP, sources

VERSIONS = {"litestar": "2.25", "asyncpg": "0.32"}


def test_the_versions_are_those_it_was_written_for() -> None:
    assert {name: version(name).rpartition(".")[0] for name in VERSIONS} == VERSIONS


def test_litestar_forgets_a_response() -> None:
    scope: Any = {"state": {}}
    state = ScopeState.from_scope(scope)
    state.response_started = True
    forget_response(scope)
    assert ScopeState.from_scope(scope).response_started is False


async def test_the_socket_of_a_connection_is_open(database: Database) -> None:
    async with database.unscoped() as driver:
        peer = socket_of(driver)
        assert peer.family in {socket.AF_INET, socket.AF_INET6, socket.AF_UNIX}
        assert peer.fileno() > 0


def test_nothing_else_touches_private_parts() -> None:
    private = ("ScopeState", "_ls_", "._transport")
    users = {name for name, text in sources(APP) if any(part in text for part in private)}
    assert users == {"app/library_internals.py"}
