"""A field of an unexpected type is no error, and does not affect the rest of the event."""

import json
import uuid
from typing import Any

import httpx
import msgspec
import pytest

from app.schemas.sessions import SessionOut
from tests.api.hooks.recordings import Event, recorded
from tests.api.hooks.test_events import FILES
from tests.factories import World
from tests.histories import check_histories

VALUES: tuple[Any, ...] = (None, 7, "", [], {"x": [1]}, [{"y": None}], "\u0000")
SESSION_KEYS = {"session_id", "thread-id", "sessionID"}
# Without one of these an event belongs to no session, or is another kind of event.
DECIDING = SESSION_KEYS | {
    "hook_event_name",
    "type",
    "properties",
    "input",
    "tool_calls",
    "turn-id",
}
# The module of an interaction is told from these.
NAMING = {"tool_name", "prompt", "output"}


def of_a_new_session(event: Event) -> Event:
    text = json.dumps(event)
    for known in set(session_ids(event)):
        text = text.replace(known, str(uuid.uuid4()))
    renamed: Event = json.loads(text)
    return renamed


def session_ids(value: Any) -> list[str]:
    if isinstance(value, list):
        return [found for item in value for found in session_ids(item)]
    if not isinstance(value, dict):
        return []
    own = [v for k, v in value.items() if k in SESSION_KEYS and isinstance(v, str)]
    return own + session_ids(list(value.values()))


async def stored(client: httpx.AsyncClient, agent: str, event: Event) -> SessionOut | None:
    """The session that the event created, as stored."""
    newest = "/api/sessions?sort=id&limit=1"
    before = (await client.get(newest)).json()["data"]
    response = await client.post(f"/api/hooks/{agent}", json=event)
    assert response.status_code == 204, response.text
    after = (await client.get(newest)).json()["data"]
    if [s["id"] for s in after] == [s["id"] for s in before]:
        return None
    found = await client.get(f"/api/sessions/{after[0]['id']}?interactions=all")
    return msgspec.json.decode(found.content, type=SessionOut)


@pytest.mark.parametrize(("agent", "name"), FILES)
async def test_a_field_of_any_type_changes_nothing_but_itself(
    world: World, agent: str, name: str
) -> None:
    client, event = world.client(), recorded(agent, name)
    expected = await stored(client, agent, of_a_new_session(event))
    for field in event:
        for value in VALUES:
            found = await stored(client, agent, {**of_a_new_session(event), field: value})
            if field in DECIDING:
                continue  # another event, or of no session: it must only be accepted
            assert (found is None) == (expected is None), (field, value)
            if found is None or expected is None:
                continue
            assert found.status == expected.status, (field, value)
            modules = [interaction.command.module for interaction in found.interactions]
            if field in NAMING:
                assert len(modules) == len(expected.interactions)
                assert all(modules)
            else:
                assert modules == [i.command.module for i in expected.interactions], (field, value)
    await check_histories(world)
