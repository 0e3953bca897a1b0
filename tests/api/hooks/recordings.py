"""Recorded runs of agents, posted as their hooks post them, and the resulting interactions as
tables."""

import copy
import json
from collections.abc import Iterable
from typing import Any, NamedTuple

import httpx

from tests.conftest import FIXTURES

Event = dict[str, Any]
HOOKS = FIXTURES / "hooks"


class Row(NamedTuple):
    """One interaction as a person would note it down; it is pending while it has no status."""

    module: str
    command: str
    status: str | None = None
    output: str | None = None
    code: int | None = None


def recorded(agent: str, name: str, **changes: Any) -> Event:
    """One recorded event, some of its fields changed."""
    event: Event = json.loads((HOOKS / agent / f"{name}.json").read_text())
    return {**event, **changes}


async def post_all(client: httpx.AsyncClient, agent: str, events: Iterable[Event]) -> None:
    for event in events:
        response = await client.post(f"/api/hooks/{agent}", json=event)
        assert (response.status_code, response.content) == (204, b""), response.text


async def session_of(client: httpx.AsyncClient, external_id: str) -> dict[str, Any]:
    listed = (await client.get("/api/sessions", params={"external_id": external_id})).json()
    [summary] = listed["data"]
    path = f"/api/sessions/{summary['id']}?interactions=all"
    found: dict[str, Any] = (await client.get(path)).json()
    assert [i["seq"] for i in found["interactions"]] == list(
        range(1, 1 + len(found["interactions"]))
    )
    return found


def rows(session: dict[str, Any]) -> list[Row]:
    return [_row(interaction) for interaction in session["interactions"]]


def content(session: dict[str, Any]) -> list[Any]:
    """Everything the agent sent, without the times and the order of arrival."""
    found = copy.deepcopy(session["interactions"])
    for interaction in found:
        for part in (interaction, interaction["command"], interaction["result"] or {}):
            for name in ("id", "seq", "timestamp", "completed_at"):
                part.pop(name, None)
    return sorted(found, key=lambda interaction: json.dumps(interaction, sort_keys=True))


async def agent_of(client: httpx.AsyncClient, external_id: str) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get(f"/api/agents/{external_id}")).json()
    return found


def _row(interaction: dict[str, Any]) -> Row:
    command, result = interaction["command"], interaction["result"]
    if result is None:
        return Row(command["module"], command["command"])
    output = result["stdout"] if result["error_message"] is None else result["error_message"]
    return Row(command["module"], command["command"], result["status"], output, result["code"])
