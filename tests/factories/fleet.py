"""Agents that claim work items, through the API."""

from typing import Any

import httpx

from tests.factories import World
from tests.factories.runs import post


async def make_agents(client: httpx.AsyncClient, *session_ids: str) -> None:
    for session_id in session_ids:
        response = await client.put(f"/api/agents/{session_id}", json={"hostname": "box"})
        assert response.status_code == 201


async def make_items(client: httpx.AsyncClient, *keys: str, **fields: Any) -> None:
    for key in keys:
        await post(client, "/api/work-items", {"key": key, "title": f"Item {key}", **fields})


async def claim(client: httpx.AsyncClient, key: str, session_id: str, **fields: Any) -> Any:
    body = {"session_id": session_id, **fields}
    return await client.post(f"/api/work-items/{key}/claim", json=body)


async def granted(client: httpx.AsyncClient, key: str, session_id: str, **fields: Any) -> Any:
    response = await claim(client, key, session_id, **fields)
    assert response.status_code == 200, response.text
    return response.json()


async def refused(client: httpx.AsyncClient, key: str, session_id: str, code: str) -> Any:
    response = await claim(client, key, session_id)
    assert (response.status_code, response.json()["code"]) == (409, code)
    dry = f"/api/work-items/{key}/can-claim?session_id={session_id}"
    asked = (await client.get(dry)).json()
    assert (asked["can_claim"], asked["blocking_reasons"][0]["code"]) == (False, code)
    return response.json()


async def agent(client: httpx.AsyncClient, session_id: str) -> Any:
    return (await client.get(f"/api/agents/{session_id}")).json()


async def history(client: httpx.AsyncClient, key: str) -> list[tuple[str, str | None]]:
    """Who held it and why no longer, the first one first."""
    rows = (await client.get("/api/claims", params={"work_item": key})).json()["data"]
    assert [row["fencing_token"] for row in rows] == list(range(len(rows), 0, -1))
    return [(row["session_id"], row["release_reason"]) for row in reversed(rows)]


async def silence(world: World, session_id: str, seconds: int = 301) -> None:
    async with world.db() as db:
        await db.driver.execute(
            "UPDATE claude_sessions SET heartbeat_at = now() - make_interval(secs => $2)"
            " WHERE session_id = $1",
            session_id,
            seconds,
        )


async def conflict(client: httpx.AsyncClient, severity: str, **fields: Any) -> Any:
    body = {"work_item_a": "z", "work_item_b": "x", "conflict_type": "file_overlap"}
    answer = await client.post(
        "/api/work-item-conflicts", json={**body, "severity": severity, **fields}
    )
    assert answer.is_success, answer.text
    return answer.json()
