"""The API describes itself, and its page works without a network."""

import importlib
import re
from typing import Any

import pytest

from app.api.routes import ROUTES
from app.contexts.runs import EVIDENCE_KINDS
from tests.factories import World

# Routes without a context function: they show no rows.
WITHOUT_CONTEXT = {
    *("health_live", "health_ready", "get_meta"),
    *("list_instance_event_types", "list_session_types"),
}
CONTEXTS = (
    "app.contexts.accounts",
    "app.contexts.projects",
    "app.contexts.sessions",
    "app.contexts.hooks",
    "app.contexts.runs",
    "app.contexts.orchestrations",
    "app.contexts.continuity",
    "app.contexts.fleet",
    "app.feed",
)


@pytest.fixture
async def document(world: World) -> dict[str, Any]:
    response = await world.client("none").get("/openapi.json")
    assert response.status_code == 200
    found: dict[str, Any] = response.json()
    return found


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        operation["operationId"]: operation
        for item in document["paths"].values()
        for operation in item.values()
    }


async def test_every_route_is_described(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    assert set(operations(document)) == {str(h.operation_id) for h in ROUTES} | {
        "stream_feed_events"
    }


async def test_operations_are_named_as_the_context_functions() -> None:
    # One function behind two routes, and operation ids are unique.
    known = {"list_instance_commands"}
    known |= {f"{verb}_run_{kind.name}" for verb in ("list", "add") for kind in EVIDENCE_KINDS}
    known |= {name for module in CONTEXTS for name in dir(importlib.import_module(module))}
    assert {str(h.operation_id) for h in ROUTES} - WITHOUT_CONTEXT <= known


async def test_errors_are_declared(document: dict[str, Any]) -> None:
    routes = {
        operation["operationId"]: (method, path)
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }
    for name, operation in operations(document).items():
        method, path = routes[name]
        if name in {"health_live", "health_ready", "stream_feed_events"}:
            continue
        declared = set(operation["responses"])
        assert {"401", "403", "404", "422", "503"} <= declared, name
        creates = method == "post" and "{" not in path
        assert (method == "get" or creates) != ("412" in declared), name
        assert method != "post" or "409" in declared, name
        if "requestBody" in operation:
            assert {"400", "413", "415"} <= declared, name
        problem = operation["responses"]["404"]["content"]["application/problem+json"]
        assert problem["schema"]["$ref"].endswith("/Problem")


async def test_resources_with_a_version_declare_304(document: dict[str, Any]) -> None:
    described = operations(document)
    unchanged = {name for name, found in described.items() if "304" in found["responses"]}
    assert {"get_session", "get_project", "get_work_item"} <= unchanged
    assert not {"get_agent", "get_interaction", "list_sessions", "get_meta"} & unchanged


async def test_headers_are_declared_where_they_mean_something(document: dict[str, Any]) -> None:
    taken: dict[str, set[str]] = {
        name: {p["$ref"].rpartition("/")[2] for p in found.get("parameters", ()) if "$ref" in p}
        for name, found in operations(document).items()
    }
    assert taken["get_session"] == {"X-Project", "If-None-Match"}
    assert taken["list_sessions"] == {"X-Project"}
    assert taken["create_session"] == {"X-Project", "Idempotency-Key"}
    assert taken["complete_session"] == {"X-Project", "If-Match", "Idempotency-Key"}
    assert taken["update_session"] == {"X-Project", "If-Match"}
    assert taken["health_live"] == set()
    described = document["components"]["parameters"]
    assert set().union(*taken.values()) == set(described)
    assert {(name, "header") for name in described} == {
        (parameter["name"], parameter["in"]) for parameter in described.values()
    }


async def test_internal_fields_are_not_shown(document: dict[str, Any]) -> None:
    assert "posted" not in document["components"]["schemas"]["Interaction"]["properties"]
    assert "sealed_count" not in str(document)


async def test_the_page_needs_no_network(world: World) -> None:
    for path in ("/docs", "/"):
        response = await world.client("none").get(path)
        assert response.status_code == 200
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        assert "Append interactions" in response.text
        assert "If-None-Match" in response.text
        assert not re.search(r"<script|(?:src|href)=['\"]?https?:", response.text)
