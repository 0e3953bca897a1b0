"""No route shows, changes or admits the existence of another account's row."""

import asyncio
import datetime
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple
from uuid import uuid4

import httpx
import pytest

from app.api.routes import ROUTES
from app.contexts import accounts
from tests.api.operations import BODIES, QUERIES, make_rows
from tests.factories import World, make_world

MISSING = 2**40

# Rows of their own, which viewers may change.
FOR_VIEWERS = {"set_active_project", "create_token", "update_token", "revoke_token"}
PUBLIC = {"health_live", "health_ready"}


class Operation(NamedTuple):
    name: str
    method: str
    path: str
    reach: str

    @property
    def parameters(self) -> list[str]:
        return [p.partition(":")[0] for p in self.path.split("{")[1:]]

    def url(self, ids: dict[str, Any]) -> str:
        path = self.path
        for kind in ("int", "uuid", "str"):
            path = path.replace(f":{kind}}}", "}")
        return path.format(**ids)

    async def call(self, client: httpx.AsyncClient, ids: dict[str, Any]) -> httpx.Response:
        json = BODIES.get(self.name)
        params = QUERIES.get(self.name)
        return await client.request(self.method, self.url(ids), json=json, params=params)


OPERATIONS = [
    Operation(
        str(handler.operation_id),
        next(iter(handler.http_methods)),
        next(iter(handler.paths)),
        handler.opt["reach"],
    )
    for handler in ROUTES
]
GUARDED = [o for o in OPERATIONS if o.name not in PUBLIC]
# Operations that create the row they name.
UPSERTS = {"register_agent"}
WITH_ROW = [
    o
    for o in GUARDED
    if any(p.endswith(("_id", "_key")) for p in o.parameters) and o.name not in UPSERTS
]
WRITES = [o for o in GUARDED if o.method != "GET" and o.name not in FOR_VIEWERS]


@pytest.fixture
async def ids(world: World) -> dict[str, Any]:
    return await make_rows(world)


def named(operations: list[Operation]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("operation", operations, ids=[o.name for o in operations])


def without_request_id(response: httpx.Response) -> dict[str, Any]:
    body: dict[str, Any] = response.json()
    assert body.pop("request_id") == response.headers["x-request-id"]
    return body


def test_every_route_is_walked() -> None:
    assert {o.name for o in OPERATIONS if o.method in {"POST", "PUT", "PATCH"}} >= set(BODIES)
    assert len(OPERATIONS) == len({o.name for o in OPERATIONS})
    assert len(WITH_ROW) > 20


# Operations that an editor may not use, whatever the id.
FOR_ADMINISTRATORS = {"update_member", "delete_member"}


@named(WITH_ROW)
async def test_another_accounts_row_does_not_exist(
    operation: Operation,
    ids: dict[str, Any],
    make: Callable[[], Awaitable[World]],
) -> None:
    stranger = await make()
    missing = {**ids, **{p: MISSING for p in operation.parameters if p.endswith(("_id", "_key"))}}
    for name in ("interaction_id", "orchestration_id", "action_id", "decision_id", "checkpoint_id"):
        missing[name] = uuid4()
    for role in ("owner", "editor"):
        client = stranger.client(await stranger.token_for(role))
        foreign = await operation.call(client, ids)
        absent = await operation.call(client, missing)
        refused = role == "editor" and operation.name in FOR_ADMINISTRATORS
        assert foreign.status_code == absent.status_code == (403 if refused else 404), role
        assert without_request_id(foreign) == without_request_id(absent)


@named(WITH_ROW)
@pytest.mark.parametrize("bad", ["0", "-1", str(2**63), "abc", "1.5", "9" * 400, "%00"])
async def test_an_impossible_id_is_not_found(operation: Operation, bad: str, world: World) -> None:
    ids = dict.fromkeys(operation.parameters, bad)
    response = await operation.call(world.client(), {**ids, "agent": "claude-code"})
    assert response.status_code == 404
    assert response.json()["code"] == "not_found"


@named(WRITES)
async def test_a_viewer_writes_nothing(
    operation: Operation, ids: dict[str, Any], world: World
) -> None:
    viewer = world.client(await world.token_for("viewer"))
    response = await operation.call(viewer, ids)
    assert (response.status_code, response.json()["code"]) == (403, "forbidden")


@named([o for o in GUARDED if o.method != "GET"])
async def test_read_token_changes_nothing(
    operation: Operation, ids: dict[str, Any], world: World
) -> None:
    for role in ("owner", "viewer"):
        reader = world.client(await world.token_for(role, scopes=["read"]))
        response = await operation.call(reader, ids)
        assert (response.status_code, response.json()["code"]) == (403, "forbidden")


async def test_viewer_with_a_write_token_changes_its_own_preferences(world: World) -> None:
    viewer = world.client(await world.token_for("viewer", scopes=["write"]))
    me = (await viewer.get("/api/me")).json()
    body = {"project_id": world.project_id}
    assert (await viewer.put("/api/me/active-project", json=body)).status_code == 200
    renamed = await viewer.patch(f"/api/tokens/{me['token']['id']}", json={"name": "mine"})
    assert renamed.status_code == 200


@named([o for o in GUARDED if o.reach == "account"])
async def test_project_token_reaches_nothing_of_the_account(
    operation: Operation, ids: dict[str, Any], world: World
) -> None:
    bound = await world.token_for("owner", project_id=world.project_id)
    response = await operation.call(world.client(bound), ids)
    assert (response.status_code, response.json()["code"]) == (403, "forbidden")


# Addressed by ids that no project owns: a list's filter, the catalogue of natures, static types.
NO_PROJECTS_ROW = {"get_nature", "get_run_report", "ingest_hook_event", "import_hook_events"}


@named([o for o in WITH_ROW if o.reach == "project" and o.name not in NO_PROJECTS_ROW])
async def test_project_token_finds_no_row_of_another_project(
    operation: Operation, ids: dict[str, Any], world: World
) -> None:
    """The rows belong to the account's first project or to none."""
    other = await world.client().post("/api/projects", json={"name": "Other", "slug": "other"})
    bound = world.client(await world.token_for("owner", project_id=other.json()["id"]))
    response = await operation.call(bound, ids)
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


async def test_project_token_lists_nothing_of_another_project(
    ids: dict[str, Any], world: World
) -> None:
    other = await world.client().post("/api/projects", json={"name": "Other", "slug": "other"})
    bound = world.client(await world.token_for("owner", project_id=other.json()["id"]))
    shown = {"list_natures", "list_session_types", "list_instance_event_types", "list_tracks"}
    own = {"list_projects", "list_tokens", "list_feed_events"}
    for operation in GUARDED:
        parameters = any(p.endswith(("_id", "_key")) for p in operation.parameters)
        if operation.method != "GET" or operation.reach != "project" or parameters:
            continue
        answer = (await operation.call(bound, ids)).json()
        if "data" in answer and operation.name not in shown:
            assert len(answer["data"]) == (operation.name in own), operation.name


@named(GUARDED)
def test_every_route_says_how_far_it_reaches(operation: Operation) -> None:
    assert operation.reach in {"account", "project"}


async def bad_tokens(world: World) -> dict[str, str | None]:
    expired = await world.token_for("owner")
    revoked = await world.token_for("owner")
    inactive = await world.token_for("owner")
    number = {
        name: int(t.split("_")[1].split("-")[1])
        for name, t in {"expired": expired, "revoked": revoked, "inactive": inactive}.items()
    }
    async with world.db() as db:
        await db.driver.execute(
            "UPDATE api_tokens SET expires_at = now() WHERE id = $1", number["expired"]
        )
        await accounts.revoke_token(world.scope(), db, number["revoked"])
        await db.driver.execute(
            "UPDATE members SET is_active = false WHERE user_id ="
            " (SELECT user_id FROM api_tokens WHERE id = $1)",
            number["inactive"],
        )
    return {
        "expired": expired,
        "revoked": revoked,
        "inactive member": inactive,
        "malformed": "as_1-1_short",
        "other secret": world.token[:-5] + "AAAAA",
        "other account": world.token.replace(f"as_{world.account_id}-", "as_999999-"),
        "not ours": "Zm9v",
        "missing": None,
    }


async def test_no_route_answers_without_a_valid_token(ids: dict[str, Any], world: World) -> None:
    for kind, token in (await bad_tokens(world)).items():
        client = world.client(token)
        if token is None:
            del client.headers["Authorization"]
        for operation in GUARDED:
            response = await operation.call(client, ids)
            assert response.status_code == 401, (kind, operation.name)
            assert response.headers["www-authenticate"] == "Bearer"


async def test_public_routes_need_no_token(world: World) -> None:
    client = world.client("none")
    for path in ("/health/live", "/health/ready", "/openapi.json"):
        assert (await client.get(path)).status_code == 200


async def test_lists_show_one_account_only(
    ids: dict[str, Any], make: Callable[[], Awaitable[World]]
) -> None:
    client = (await make()).client()
    for path in (
        *("sessions", "components", "instances", "events", "commands", "checkpoints"),
        *("agents", "work-items", "claims", "work-item-conflicts"),
    ):
        assert (await client.get(f"/api/{path}")).json() == {"data": [], "next_cursor": None}
    for kind in ("account", "project", "member", "token"):
        [row] = (await client.get(f"/api/{kind}s")).json()["data"]
        assert row["id"] != ids[f"{kind}_id"]


async def test_another_accounts_rows_cannot_be_attached(
    ids: dict[str, Any], make: Callable[[], Awaitable[World]]
) -> None:
    client = (await make()).client()
    session = {"type": "RecordedSessions"}
    for body, field in (
        ({**session, "component_id": ids["component_id"]}, "component_id"),
        ({**session, "parent_session_id": ids["session_id"]}, "parent_session_id"),
    ):
        response = await client.post("/api/sessions", json=body)
        assert response.status_code == 422
        assert [e["path"] for e in response.json()["errors"]] == [field]
    component = {"name": "Part", "module_name": "Part", "project_id": ids["project_id"]}
    response = await client.post("/api/components", json=component)
    assert [e["path"] for e in response.json()["errors"]] == ["project_id"]
    response = await client.put("/api/me/active-project", json={"project_id": ids["project_id"]})
    assert response.status_code == 404
    response = await client.get("/api/sessions", headers={"X-Project": str(ids["project_id"])})
    assert response.status_code == 404


@pytest.mark.parametrize("field", ["account_id", "user_id", "project_id", "id", "status", "seq"])
async def test_what_the_scope_decides_is_not_for_the_body(field: str, world: World) -> None:
    body = {"type": "RecordedSessions", field: 1}
    response = await world.client().post("/api/sessions", json=body)
    assert response.status_code == 422
    assert [e["path"] for e in response.json()["errors"]] == [field]


async def test_a_token_expires_while_it_is_in_use(world: World) -> None:
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=2.5)
    client, answered = world.client(await world.token_for("owner", expires_at=soon)), set()
    while datetime.datetime.now(datetime.UTC) <= soon:  # so that it is cached to the end
        answered.add((await client.get("/api/me")).status_code)
        await asyncio.sleep(0.05)
    assert 200 in answered
    assert (await client.get("/api/me")).status_code == 401


async def test_each_world_has_its_own_account(world: World) -> None:
    other = await make_world(world.database, world.app)
    assert (await other.client().get("/api/me")).json()["account"]["id"] != world.account_id
