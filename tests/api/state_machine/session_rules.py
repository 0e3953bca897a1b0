"""The rules about sessions and their interactions."""

from typing import Any
from uuid import UUID, uuid4

from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.api.state_machine import model
from tests.api.state_machine.machine import (
    Caller,
    Machine,
    callers,
    pick,
    picks,
    refused_alike,
    same_interactions,
    same_session,
)
from tests.api.state_machine.model import RECORDED, WORKFLOW

titles = st.sampled_from([None, "Fix the tests", "100% done", "_"])
states: st.SearchStrategy[dict[str, Any]] = st.dictionaries(
    st.sampled_from(["a", "b"]), st.sampled_from([None, 1, "x", {"c": 1}, {"c": None, "d": []}])
)
external_ids = st.sampled_from([None, None, "conversation-1", "conversation-2"])
types = st.sampled_from([RECORDED, RECORDED, WORKFLOW])
# Lengths: a few of the larger ones fill the tail of a session, the largest is more than it takes.
commands = st.sampled_from([2, 2_500, 4_500, 20_000])
outputs = st.sampled_from([4, 3_000, 18_000])
known_ids = st.sampled_from([str(UUID(int=n, version=4)) for n in range(1, 5)])
interactions = st.fixed_dictionaries(
    {"command": commands}, optional={"result": outputs, "id": known_ids}
)
batches = st.lists(interactions, min_size=1, max_size=12)


class Sessions(Machine):
    @rule(caller=callers, kind=types, title=titles, state=states, key=external_ids, up=picks)
    def create_session(
        self, caller: Caller, kind: str, title: Any, state: Any, key: Any, up: int
    ) -> None:
        body = {"type": kind, "title": title, "state": state, "external_id": key}
        if up % 3 == 0:
            body["parent_session_id"] = pick(self.sessions, up // 3)[1]
        actor = self.actor(caller)
        response = self.ask(actor, "POST", "/api/sessions", body)
        with refused_alike(response):
            session = model.create_session(actor.enter(write=True), body)
            assert response.status_code == 201, response.text
            session.id = response.json()["id"]
            actor.account.sessions[session.id] = session
            self.sessions.append((actor.account, session.id))
            same_session(response.json(), session)

    @rule(caller=callers, which=picks, title=titles, state=states, version=st.integers(-4, 1))
    def update_session(
        self, caller: Caller, which: int, title: Any, state: Any, version: int
    ) -> None:
        account, session_id = self.session(which)
        actor, body = self.actor(caller, account), {"title": title, "state": state}
        known = account.sessions.get(session_id)
        if_match = None if known is None or version < -1 else known.version + version
        sent = {} if if_match is None else {"If-Match": f'"{if_match}"'}
        response = self.ask(actor, "PATCH", f"/api/sessions/{session_id}", body, headers=sent)
        with refused_alike(response):
            visitor = actor.enter(write=True)
            session = model.update_session(visitor, session_id, body, if_match)
            assert response.status_code == 200, response.text
            same_session(response.json(), session)

    @rule(caller=callers, which=picks, verb=st.sampled_from(["complete", "fail", "cancel"]))
    def end_session(self, caller: Caller, which: int, verb: str) -> None:
        account, session_id = self.session(which)
        actor, body = self.actor(caller, account), {"reason": "enough"}
        status, ended = {
            "complete": ("complete", None),
            "fail": ("failed", body),
            "cancel": ("failed", {"reason": "cancelled", "message": "enough"}),
        }[verb]
        path = f"/api/sessions/{session_id}/{verb}"
        response = self.ask(actor, "POST", path, None if ended is None else body)
        with refused_alike(response):
            visitor = actor.enter(write=True)
            session = model.end_session(visitor, session_id, status, ended)
            assert response.status_code == 200, response.text
            same_session(response.json(), session)

    @rule(caller=callers, which=picks)
    def reopen_session(self, caller: Caller, which: int) -> None:
        account, session_id = self.session(which)
        actor = self.actor(caller, account)
        response = self.ask(actor, "POST", f"/api/sessions/{session_id}/reopen")
        with refused_alike(response):
            session = model.reopen_session(actor.enter(write=True), session_id)
            assert response.status_code == 200, response.text
            same_session(response.json(), session)

    @rule(caller=callers, which=picks, where=picks)
    def move_session(self, caller: Caller, which: int, where: int) -> None:
        account, session_id = self.session(which)
        actor = self.actor(caller, account)
        project_id = None if where % 4 == 0 else pick(self.projects, where)[1]
        path = f"/api/sessions/{session_id}/move"
        response = self.ask(actor, "POST", path, {"project_id": project_id})
        with refused_alike(response):
            session = model.move_session(actor.enter(write=True), session_id, project_id)
            assert response.status_code == 200, response.text
            same_session(response.json(), session)

    @rule(caller=callers, which=picks)
    def delete_session(self, caller: Caller, which: int) -> None:
        account, session_id = self.session(which)
        actor = self.actor(caller, account)
        response = self.ask(actor, "DELETE", f"/api/sessions/{session_id}")
        with refused_alike(response):
            model.delete_session(actor.enter(write=True), session_id)
            assert response.status_code == 204, response.text

    @rule(caller=callers, which=picks, posted=interactions)
    def append_interaction(self, caller: Caller, which: int, posted: Any) -> None:
        self.append(caller, which, posted)

    @rule(caller=callers, which=picks, posted=batches)
    def append_interactions(self, caller: Caller, which: int, posted: Any) -> None:
        self.append(caller, which, posted)

    @rule(caller=callers, which=picks, command=commands, times=st.integers(1, 9), key=known_ids)
    def append_equal_ones(
        self, caller: Caller, which: int, command: int, times: int, key: str
    ) -> None:
        """Without an id they are several, with one it is one; posted alone, it is there already."""
        self.append(caller, which, [{"command": command}] * times)
        self.append(caller, which, [{"command": command, "id": key}] * times)
        self.append(caller, which, {"command": command, "id": key})

    def append(self, caller: Caller, which: int, posted: Any) -> None:
        account, session_id = self.session(which)
        actor = self.actor(caller, account)
        path = f"/api/sessions/{session_id}/interactions"
        body = [_body(one) for one in posted] if isinstance(posted, list) else _body(posted)
        response = self.ask(actor, "POST", path, body)
        with refused_alike(response):
            batch = body if isinstance(body, list) else [body]
            answer, created = model.append(actor.enter(write=True), session_id, batch)
            assert response.status_code == (201 if created else 200), response.text
            shown = response.json()
            shown = shown["data"] if isinstance(posted, list) else [shown]
            for interaction, document in zip(answer, shown, strict=True):
                interaction.id = interaction.id or document["id"]
            same_interactions(shown, account.sessions[session_id], answer)

    @rule(caller=callers, which=picks, place=picks, length=outputs)
    def set_result(self, caller: Caller, which: int, place: int, length: int) -> None:
        account, session_id = self.session(which)
        actor, interaction_id = self.actor(caller, account), self._interaction(which, place)
        path = f"/api/sessions/{session_id}/interactions/{interaction_id}/result"
        stdout = "o" * length
        response = self.ask(actor, "POST", path, {"status": "ok", "stdout": stdout})
        with refused_alike(response):
            visitor = actor.enter(write=True)
            interaction = model.set_result(visitor, session_id, interaction_id, stdout)
            assert response.status_code == 200, response.text
            shown, session = response.json(), account.sessions[session_id]
            assert (shown["session_status"], shown["applied"]) == (session.status, False)
            same_interactions([shown["interaction"]], session, [interaction])

    @rule(caller=callers, which=picks, place=picks)
    def get_interaction(self, caller: Caller, which: int, place: int) -> None:
        account, session_id = self.session(which)
        actor, interaction_id = self.actor(caller, account), self._interaction(which, place)
        path = f"/api/sessions/{session_id}/interactions/{interaction_id}"
        response = self.ask(actor, "GET", path)
        with refused_alike(response):
            session = actor.enter(write=False).session(session_id)
            found = [i for i in session.interactions if i.id == interaction_id]
            assert response.status_code == (200 if found else 404), response.text
            if found:
                same_interactions([response.json()], session, found)

    def _interaction(self, which: int, place: int) -> str:
        """The id of one of the session's, now and then of none."""
        account, session_id = self.session(which)
        session = account.sessions.get(session_id)
        known = [i.id for i in session.interactions] if session else []
        return pick(known, place) if known and place % 6 != 5 else str(uuid4())


def _body(drawn: dict[str, Any]) -> dict[str, Any]:
    body = {**drawn, "command": {"module": "Bash", "command": "c" * drawn["command"]}}
    if "result" in drawn:
        body["result"] = {"status": "ok", "stdout": "o" * drawn["result"]}
    return body
