"""Anything that several people may do to sessions, in any order: the server and a plain model
agree about every answer and about every row afterwards.

`STATE_MACHINE_EXAMPLES=2000` runs longer, each time with other examples.
"""

import asyncio
import os
from typing import Any
from uuid import uuid4

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule, run_state_machine_as_test

from app.db import Database
from tests.api.state_machine import model_accounts
from tests.api.state_machine.machine import Caller, callers, pick, picks, refused_alike
from tests.api.state_machine.model import RECORDED, Member, Token
from tests.api.state_machine.reading_rules import Reading
from tests.api.state_machine.session_rules import Sessions, batches

EXAMPLES = int(os.environ.get("STATE_MACHINE_EXAMPLES", "0"))

roles = st.sampled_from(["owner", "admin", "editor", "viewer"])
scopes = st.sampled_from([["admin"], ["admin"], ["write"], ["read"], ["read", "write"]])
OWNERS: list[Caller] = [(-1, None, 0), (-2, None, 0)]


class People(Sessions, Reading):
    @initialize(roles=st.lists(roles, min_size=2, max_size=4), scopes=scopes, told=batches)
    def begin(self, roles: list[str], scopes: list[str], told: Any) -> None:
        """Both accounts have people, two projects, and sessions inside and outside of them."""
        for owner in OWNERS:
            who, _, nothing = owner
            self.create_project(owner, "one")
            self.create_session(owner, RECORDED, "Fix", {}, "conversation-1", up=1)
            self.create_session((who, "*", nothing), RECORDED, None, {"a": 1}, None, up=1)
            self.create_token(owner, ["admin"], where=1)
            for which in (0, 1):
                self.append(owner, which, told)
        for role in roles:
            for owner in OWNERS:
                self.create_member(owner, role, scopes)

    @rule(caller=callers, slug=st.sampled_from(["one", "two", "three"]))
    def create_project(self, caller: Caller, slug: str) -> None:
        actor = self.actor(caller)
        response = self.ask(actor, "POST", "/api/projects", {"name": slug, "slug": slug})
        with refused_alike(response):
            model_accounts.create_project(actor.enter(write=True), slug)
            assert response.status_code == 201, response.text
            self.add_project(actor.account, response.json()["id"], slug)

    @rule(caller=callers, which=picks)
    def delete_project(self, caller: Caller, which: int) -> None:
        account, project_id = pick(self.projects, which)
        actor = self.actor(caller, account)
        response = self.ask(actor, "DELETE", f"/api/projects/{project_id}")
        with refused_alike(response):
            model_accounts.delete_project(actor.enter(write=True), project_id)
            assert response.status_code == 204, response.text

    @rule(caller=callers, which=picks)
    def set_active_project(self, caller: Caller, which: int) -> None:
        account, project_id = pick(self.projects, which)
        actor = self.actor(caller, account)
        chosen = None if which % 4 == 0 else project_id
        body = {"project_id": chosen}
        response = self.ask(actor, "PUT", "/api/me/active-project", body)
        with refused_alike(response):
            model_accounts.set_active_project(actor.enter(write=False), chosen)
            assert response.status_code == 200, response.text

    @rule(caller=callers, role=roles, scopes=scopes)
    def create_member(self, caller: Caller, role: str, scopes: list[str]) -> None:
        actor = self.actor(caller)
        body = {"email": f"{uuid4().hex}@example.test", "role": role}
        response = self.ask(actor, "POST", "/api/members", body)
        with refused_alike(response):
            model_accounts.create_member(actor.enter(write=True), role)
            assert response.status_code == 201, response.text
            member = Member(response.json()["id"], response.json()["user"]["id"], role)
            self.add_member(actor.account, member)
            self.give_token(actor.account, member, scopes)

    @rule(caller=callers, which=picks, role=st.none() | roles, active=st.none() | st.booleans())
    def update_member(self, caller: Caller, which: int, role: Any, active: Any) -> None:
        account, member_id = pick(self.members, which)
        actor = self.actor(caller, account)
        changes = {"role": role, "is_active": active}
        body = {name: value for name, value in changes.items() if value is not None}
        response = self.ask(actor, "PATCH", f"/api/members/{member_id}", body)
        with refused_alike(response):
            model_accounts.update_member(actor.enter(write=True), member_id, role, active)
            assert response.status_code == 200, response.text

    @rule(caller=callers, which=picks)
    def delete_member(self, caller: Caller, which: int) -> None:
        account, member_id = pick(self.members, which)
        actor = self.actor(caller, account)
        response = self.ask(actor, "DELETE", f"/api/members/{member_id}")
        with refused_alike(response):
            model_accounts.delete_member(actor.enter(write=True), member_id)
            assert response.status_code == 204, response.text

    @rule(caller=callers, scopes=scopes, where=picks)
    def create_token(self, caller: Caller, scopes: list[str], where: int) -> None:
        actor = self.actor(caller)
        project_id = pick(self.projects, where // 2)[1] if where % 2 else None
        body = {"name": "mine", "scopes": scopes, "project_id": project_id}
        response = self.ask(actor, "POST", "/api/tokens", body)
        with refused_alike(response):
            bound = model_accounts.create_token(actor.enter(write=False), scopes, project_id)
            assert response.status_code == 201, response.text
            new, user_id = response.json(), actor.token.user_id
            self.add_token(actor.account, Token(new["id"], new["token"], user_id, scopes, bound))

    @rule(caller=callers, which=picks)
    def revoke_token(self, caller: Caller, which: int) -> None:
        account, token = pick(self.tokens, which)
        actor = self.actor(caller, account)
        response = self.ask(actor, "DELETE", f"/api/tokens/{token.id}")
        with refused_alike(response):
            model_accounts.revoke_token(actor.enter(write=False), token.id)
            assert response.status_code == 204, response.text


async def test_server_and_model_agree(database: Database, app: Any) -> None:
    People.loop, People.database, People.app = asyncio.get_running_loop(), database, app
    chosen = settings(
        max_examples=EXAMPLES or 30,
        stateful_step_count=30,
        deadline=None,
        derandomize=not EXAMPLES,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    await asyncio.to_thread(run_state_machine_as_test, People, settings=chosen)
