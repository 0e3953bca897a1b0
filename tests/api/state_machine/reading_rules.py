"""The rules that only read: lists with their filters and pages."""

from typing import Any

import httpx
from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.api.state_machine import model_accounts
from tests.api.state_machine.machine import (
    Actor,
    Caller,
    Machine,
    callers,
    pick,
    picks,
    refused_alike,
    same_interactions,
    same_session,
)
from tests.api.state_machine.model import Refused, Session

limits = st.sampled_from([1, 2, 5, 100])
filters = st.fixed_dictionaries(
    {},
    optional={
        "status": st.lists(
            st.sampled_from(["active", "complete", "failed"]), min_size=1, max_size=2, unique=True
        ),
        "type": st.sampled_from(["RecordedSessions", "ComponentCodingSessions"]),
        "external_id": st.sampled_from(["conversation-1", "nothing"]),
        "q": st.sampled_from(["fix", "100%", "_", "THE"]),
    },
)


class Reading(Machine):
    @rule(caller=callers, which=picks)
    def get_session(self, caller: Caller, which: int) -> None:
        account, session_id = self.session(which)
        actor = self.actor(caller, account)
        response = self.ask(actor, "GET", f"/api/sessions/{session_id}?interactions=all")
        with refused_alike(response):
            session = actor.enter(write=False).session(session_id)
            assert response.status_code == 200, response.text
            same_session(response.json(), session)
            same_interactions(response.json()["interactions"], session, session.interactions)

    @rule(caller=callers, chosen=filters, where=picks, limit=limits, by_id=st.booleans())
    def list_sessions(
        self, caller: Caller, chosen: dict[str, Any], where: int, limit: int, by_id: bool
    ) -> None:
        account, project_id = pick(self.projects, where // 4)
        actor = self.actor(caller, account)
        query = {**chosen, "limit": limit, "sort": "id" if by_id else "updated_at"}
        if where % 4 == 0:
            query["project_id"] = project_id
        response = self.ask(actor, "GET", "/api/sessions", params=query)
        with refused_alike(response):
            visitor = actor.enter(write=False)
            if where % 4 == 0 and visitor.project_id is not None:
                raise Refused(422, "invalid")
            expected = [s for s in visitor.listed() if _matches(s, query)]
            shown = self._all_pages(actor, response, query)
            if not by_id:
                changed = [(row["updated_at"], row["id"]) for row in shown]
                assert changed == sorted(changed, reverse=True)
                shown = sorted(shown, key=lambda row: -row["id"])
            assert [row["id"] for row in shown] == [session.id for session in expected]
            for row, session in zip(shown, expected, strict=True):
                same_session(row, session)

    @rule(
        caller=callers,
        which=picks,
        after=st.none() | st.integers(0, 30),
        before=st.none() | st.integers(0, 40),
        order=st.sampled_from(["asc", "desc"]),
        limit=limits,
    )
    def list_interactions(
        self, caller: Caller, which: int, after: Any, before: Any, order: str, limit: int
    ) -> None:
        account, session_id = self.session(which)
        actor = self.actor(caller, account)
        bounds = {"after_seq": after, "before_seq": before}
        query = {name: value for name, value in bounds.items() if value is not None}
        query |= {"order": order, "limit": limit}
        path = f"/api/sessions/{session_id}/interactions"
        response = self.ask(actor, "GET", path, params=query)
        with refused_alike(response):
            session = actor.enter(write=False).session(session_id)
            stop = len(session.interactions) if before is None else max(before - 1, 0)
            expected = session.interactions[after or 0 : stop]
            shown = self._all_pages(actor, response, query)
            same_interactions(shown, session, expected if order == "asc" else expected[::-1])

    @rule(caller=callers, limit=limits, what=st.sampled_from(["projects", "members", "tokens"]))
    def list_the_rest(self, caller: Caller, limit: int, what: str) -> None:
        actor = self.actor(caller)
        response = self.ask(actor, "GET", f"/api/{what}", params={"limit": limit})
        with refused_alike(response):
            visitor = actor.enter(write=False)
            account = visitor.account
            expected = {
                "projects": [p for p in account.projects if visitor.sees_project(p)],
                "members": [*account.members],
                "tokens": [token.id for token in model_accounts.visible_tokens(visitor)],
            }[what]
            shown = self._all_pages(actor, response, {"limit": limit})
            assert [row["id"] for row in shown] == sorted(expected, reverse=True)

    def _all_pages(
        self, actor: Actor, first: httpx.Response, query: dict[str, Any]
    ) -> list[dict[str, Any]]:
        page, found = first, []
        while True:
            assert page.status_code == 200, page.text
            found += page.json()["data"]
            cursor = page.json()["next_cursor"]
            if cursor is None:
                return found
            assert len(page.json()["data"]) == query["limit"]
            page = self.ask(actor, "GET", first.url.path, params={**query, "cursor": cursor})


def _matches(session: Session, query: dict[str, Any]) -> bool:
    exact = ("type", "external_id", "project_id")
    return (
        all(getattr(session, name) == query[name] for name in exact if name in query)
        and session.status in query.get("status", [session.status])
        and query.get("q", "").lower() in (session.title or "").lower()
    )
