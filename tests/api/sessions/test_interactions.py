"""Posting, completing and reading interactions over HTTP."""

import asyncio

import httpx
import pytest

from tests.factories import World


async def new_session(client: httpx.AsyncClient) -> int:
    response = await client.post("/api/sessions", json={"type": "RecordedSessions"})
    session_id: int = response.json()["id"]
    return session_id


async def test_the_same_id_again(world: World) -> None:
    client = world.client()
    session_id = await new_session(client)
    path = f"/api/sessions/{session_id}/interactions"
    body = {
        "id": "0190b3c4-0000-7000-8000-000000000001",
        "command": {"module": "Bash", "command": "echo $TOKEN", "metadata": {"b": 1, "a": 2}},
    }
    first = await client.post(path, json=body)
    assert first.status_code == 201
    assert first.headers["location"] == f"{path}/{body['id']}"
    for _ in range(20):  # far enough for the interaction to be sealed
        await client.post(path, json={"command": {"module": "Bash"}})
    reordered = {
        "command": {"metadata": {"a": 2, "b": 1}, "command": "echo $TOKEN", "module": "Bash"},
        "id": body["id"],
    }
    again = await client.post(path, json=reordered)
    assert (again.status_code, again.json()) == (200, first.json())
    other = await client.post(path, json={**body, "step_name": "Run"})
    assert (other.status_code, other.json()["code"]) == (409, "interaction_exists")
    batch = await client.post(path, json=[{"command": {"module": "New"}}, {**body, "pipe": "x"}])
    assert batch.status_code == 422
    batch = await client.post(
        path, json=[{"command": {"module": "New"}}, {**body, "step_name": "x"}]
    )
    assert batch.status_code == 409
    session = (await client.get(f"/api/sessions/{session_id}")).json()
    assert session["interaction_count"] == 21, "a refused batch writes nothing"


@pytest.mark.parametrize("pending", [1, 30])
async def test_a_result_arrives_once(world: World, pending: int) -> None:
    """While the interaction is in the row, and long after it was sealed in a page."""
    client = world.client()
    session_id = await new_session(client)
    path = f"/api/sessions/{session_id}/interactions"
    created = (await client.post(path, json={"command": {"module": "Bash"}})).json()
    for _ in range(pending - 1):
        await client.post(path, json={"command": {"module": "Bash"}})
    assert (created["result"], created["completed_at"]) == (None, None)
    result = {"status": "error", "exit_code": 2, "stdout": "nul \0 kept", "duration_ms": 5}
    first = await client.post(f"{path}/{created['id']}/result", json=result)
    assert first.status_code == 200
    answer = first.json()
    assert answer["session_status"] == "active"
    assert answer["applied"] is False
    assert answer["interaction"]["result"]["code"] == 2
    assert answer["interaction"]["result"]["stdout"] == "nul \ufffd kept"
    assert answer["interaction"]["completed_at"] is not None
    synonym = {**result, "code": 2}
    del synonym["exit_code"]
    again = await client.post(f"{path}/{created['id']}/result", json=synonym)
    assert (again.status_code, again.json()) == (200, answer)
    other = await client.post(f"{path}/{created['id']}/result", json={"status": "ok"})
    assert (other.status_code, other.json()["code"]) == (409, "already_completed")
    found = await client.get(f"{path}/{created['id']}")
    assert found.json() == answer["interaction"]


async def test_twenty_results_for_one_interaction(world: World) -> None:
    client = world.client()
    session_id = await new_session(client)
    path = f"/api/sessions/{session_id}/interactions"
    created = (await client.post(path, json={"command": {"module": "Bash"}})).json()
    answers = await asyncio.gather(
        *(
            client.post(f"{path}/{created['id']}/result", json={"status": "ok", "stdout": str(n)})
            for n in range(20)
        )
    )
    assert sorted(a.status_code for a in answers) == [200] + [409] * 19


async def test_an_ended_session_takes_results_but_nothing_new(world: World) -> None:
    client = world.client()
    session_id = await new_session(client)
    path = f"/api/sessions/{session_id}/interactions"
    created = (await client.post(path, json={"command": {"module": "Bash"}})).json()
    await client.post(f"/api/sessions/{session_id}/complete")
    late = await client.post(path, json={"command": {"module": "Bash"}})
    assert (late.status_code, late.json()["code"]) == (409, "session_ended")
    assert late.json()["session_status"] == "complete"
    result = await client.post(f"{path}/{created['id']}/result", json={"status": "ok"})
    assert result.status_code == 200
    assert result.json()["session_status"] == "complete"


async def test_windows_page_through_everything(world: World) -> None:
    client = world.client()
    session_id = await new_session(client)
    path = f"/api/sessions/{session_id}/interactions"
    batch = [{"command": {"module": "Bash", "command": str(n)}} for n in range(1, 131)]
    created = await client.post(path, json=batch)
    assert [i["seq"] for i in created.json()["data"]] == list(range(1, 131))
    for order in ("asc", "desc"):
        seen: list[int] = []
        cursor = None
        while True:
            parameters = {"order": order, "limit": 50} | ({"cursor": cursor} if cursor else {})
            page = (await client.get(path, params=parameters)).json()
            seen += [i["seq"] for i in page["data"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert seen == sorted(range(1, 131), reverse=order == "desc")
    window = await client.get(path, params={"after_seq": 10, "before_seq": 15, "order": "asc"})
    assert [i["seq"] for i in window.json()["data"]] == [11, 12, 13, 14]
    for wanted, count in (("none", 0), ("7", 7), ("all", 130)):
        session = await client.get(f"/api/sessions/{session_id}?interactions={wanted}")
        seqs = [i["seq"] for i in session.json()["interactions"]]
        assert seqs == list(range(131 - count, 131))


async def test_a_read_is_consistent_while_others_append(world: World) -> None:
    client = world.client()
    path = f"/api/sessions/{await new_session(client)}"
    done = asyncio.Event()

    async def write() -> None:
        for _ in range(60):
            await client.post(f"{path}/interactions", json={"command": {"module": "Bash"}})
        done.set()

    async def watch(wanted: str, most: int) -> None:
        while not done.is_set():
            found = (await client.get(path, params={"interactions": wanted})).json()
            count = found["interaction_count"]
            seqs = [interaction["seq"] for interaction in found["interactions"]]
            assert seqs == [*range(max(1, count - most + 1), count + 1)]
            assert (found["last_interaction"] or {}).get("seq", 0) == count

    await asyncio.gather(write(), watch("all", 1000), watch("5", 5))
