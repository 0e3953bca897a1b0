"""What the rules of the state machine have in common: who asks for what, and what is compared."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, NamedTuple, TypeVar

import httpx
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant

from app.contexts import accounts
from app.db import Database
from tests.api.state_machine import model
from tests.api.state_machine.model import (
    Account,
    Interaction,
    Member,
    Refused,
    Session,
    Token,
    Visitor,
)
from tests.factories import World, make_world
from tests.histories import check_histories

HANG_SECONDS = 30
T = TypeVar("T")

picks = st.integers(0, 60)
# Most requests get past the door, so that something happens behind it.
headers = st.sampled_from([None] * 10 + ["*", "id", "slug", "foreign", "missing"])
callers = st.tuples(picks, headers, picks)
Caller = tuple[int, str | None, int]

_SESSIONS = """
SELECT id, project_id, type, title, state::text, external_id, parent_session_id, user_id, status,
       version, interaction_count, ended_at IS NULL AS is_active
FROM sessions WHERE account_id = $1 ORDER BY id
"""


class Actor(NamedTuple):
    """A token, and the X-Project that it sends."""

    account: Account
    token: Token
    header: str | None

    def enter(self, *, write: bool) -> Visitor:
        return model.enter(self.account, self.token, self.header, write=write)


class Machine(RuleBasedStateMachine):
    """Two accounts on the server, each beside its model.

    Rules run in a thread of their own and ask on the event loop of the application.
    """

    loop: ClassVar[asyncio.AbstractEventLoop]
    database: ClassVar[Database]
    app: ClassVar[Any]

    def __init__(self) -> None:
        super().__init__()
        self.worlds = [self.run(make_world(self.database, self.app)) for _ in range(2)]
        self.accounts = [Account(world.account_id) for world in self.worlds]
        self.client = self.worlds[0].client()
        # Everything there ever was: what is gone is asked for as well.
        self.sessions: list[tuple[Account, int]] = []
        self.projects: list[tuple[Account, int]] = []
        self.members: list[tuple[Account, int]] = []
        self.tokens: list[tuple[Account, Token]] = []
        for world, account in zip(self.worlds, self.accounts, strict=True):
            self._know_the_owner(world, account)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(HANG_SECONDS)

    def ask(
        self, actor: Actor, method: str, path: str, body: Any = None, **options: Any
    ) -> httpx.Response:
        sent = {"Authorization": f"Bearer {actor.token.secret}", **options.pop("headers", {})}
        if actor.header is not None:
            sent["X-Project"] = actor.header
        request = self.client.request(method, path, json=body, headers=sent, **options)
        return self.run(request)

    def actor(self, caller: Caller, near: Account | None = None) -> Actor:
        """Most often of the account in which there is something to do."""
        who, header, project = caller
        stranger = near is None or who % 6 == 5
        account, token = pick([t for t in self.tokens if stranger or t[0] is near], who)
        own = [p for a, p in self.projects if a is account]
        match header:
            case "id":
                header = str(pick(own, project))
            case "slug":
                header = account.projects.get(pick(own, project), "gone")
            case "foreign":
                header = str(pick([p for a, p in self.projects if a is not account], project))
            case "missing":
                header = "9000000000"
        return Actor(account, token, header)

    def session(self, which: int) -> tuple[Account, int]:
        """Most often one that is there."""
        there = [(account, key) for account, key in self.sessions if key in account.sessions]
        return pick(there if there and which % 8 != 7 else self.sessions, which)

    def add_member(self, account: Account, member: Member) -> None:
        account.members[member.id] = member
        self.members.append((account, member.id))

    def add_token(self, account: Account, token: Token) -> None:
        account.tokens[token.id] = token
        self.tokens.append((account, token))

    def add_project(self, account: Account, project_id: int, slug: str) -> None:
        account.projects[project_id] = slug
        self.projects.append((account, project_id))

    def give_token(self, account: Account, member: Member, scopes: list[str]) -> None:
        """As whoever administers the server does."""

        async def create() -> Token:
            world = self.worlds[self.accounts.index(account)]
            async with world.db() as db:
                new = await accounts.create_token_for(
                    world.scope(), db, member.user_id, name="given", scopes=scopes
                )
                return Token(new.token.id, new.secret, member.user_id, scopes)

        self.add_token(account, self.run(create()))

    @invariant()
    def the_tables_say_what_the_model_says(self) -> None:
        for world, account in zip(self.worlds, self.accounts, strict=True):
            self.run(self._compare(world, account))

    def teardown(self) -> None:
        for world in self.worlds:
            self.run(check_histories(world))
            self.run(world.close())

    async def _compare(self, world: World, account: Account) -> None:
        async with world.db() as db:
            fetch = db.driver.fetch
            sessions = [dict(row) for row in await fetch(_SESSIONS, account.id)]
            projects = await fetch(
                "SELECT id, slug FROM projects WHERE account_id = $1", account.id
            )
            members = await fetch(
                "SELECT id, role, is_active FROM members WHERE account_id = $1", account.id
            )
            tokens = await fetch(
                "SELECT id, revoked_at FROM api_tokens WHERE account_id = $1", account.id
            )
        expected = sorted(account.sessions.values(), key=lambda session: session.id)
        assert len(sessions) == len(expected)
        for row, session in zip(sessions, expected, strict=True):
            assert row.pop("is_active") == (session.status == "active")
            row["state"] = httpx.Response(200, text=row["state"]).json()
            assert row == session.row()
        assert {row["id"]: row["slug"] for row in projects} == account.projects
        assert {row["id"]: (row["role"], row["is_active"]) for row in members} == {
            m.id: (m.role, m.is_active) for m in account.members.values()
        }
        assert {row["id"]: row["revoked_at"] is not None for row in tokens} == {
            t.id: t.is_revoked for t in account.tokens.values()
        }

    def _know_the_owner(self, world: World, account: Account) -> None:
        self.add_project(account, world.project_id, "default")
        me = self.run(world.client().get("/api/me")).json()
        [member] = self.run(world.client().get("/api/members")).json()["data"]
        owner = Member(member["id"], me["user"]["id"], "owner", True, world.project_id)
        self.add_member(account, owner)
        scopes = me["token"]["scopes"]
        self.add_token(account, Token(me["token"]["id"], world.token, owner.user_id, scopes))


@contextmanager
def refused_alike(response: httpx.Response) -> Iterator[None]:
    """When the model refuses, the server must have; otherwise the block looks at the answer."""
    refused: Refused | None = None
    try:
        yield
    except Refused as refusal:
        refused = refusal
    if refused is not None:
        status, code = refused.args
        assert response.status_code == status, f"{response.text} instead of {code}"
        assert response.json()["code"] == code


def pick(items: list[T], which: int) -> T:
    """The newest for 0, so that a shrunk example is about the last thing that happened."""
    return items[-1 - which % len(items)]


def same_session(shown: dict[str, Any], session: Session) -> None:
    expected = session.row()
    assert {name: shown[name] for name in expected} == expected
    assert (shown["ended_at"] is None) == (session.status == "active")
    last, newest = shown["last_interaction"], session.interactions[-1:]
    assert (last is None) == (newest == [])
    for interaction in newest:
        status = None if interaction.stdout is None else "ok"
        assert (last["seq"], last["status"]) == (len(session.interactions), status)
        assert last["command"] == interaction.command[:200]


def same_interactions(
    shown: list[dict[str, Any]], session: Session, expected: list[Interaction]
) -> None:
    """In this order, each with its place in the session's history."""
    assert [plain(interaction) for interaction in shown] == [
        (session.interactions.index(i) + 1, i.id, i.command, i.stdout) for i in expected
    ]


def plain(shown: dict[str, Any]) -> tuple[Any, ...]:
    result = shown["result"]
    assert (result is None) == (shown["completed_at"] is None)
    stdout = None if result is None else result["stdout"]
    return (shown["seq"], shown["id"], shown["command"]["command"], stdout)
