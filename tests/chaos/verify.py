"""Compares what was acknowledged with what the server shows."""

import collections
from typing import Any

import httpx

from tests.chaos.ledger import Ledger


async def verify(url: str, ledger: Ledger) -> None:
    """Raises AssertionError for anything that is lost, twice, out of order or not accounted for."""
    headers = {"Authorization": f"Bearer {ledger.account.token}", "X-Project": "*"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=30) as client:
        assert ledger.unexpected == []
        feed = await read_feed(client)
        sessions = await read_all(client, "/api/sessions", sort="id")
        await _verify_sessions(ledger, sessions, feed)
        await _verify_interactions(client, ledger, sessions, feed)
        await _verify_events(client, ledger, feed)
        await _verify_claims(client, ledger, feed)


async def read_all(client: httpx.AsyncClient, path: str, **parameters: Any) -> list[Any]:
    found: list[Any] = []
    parameters["limit"] = 100
    while True:
        response = await client.get(path, params=parameters)
        assert response.is_success, response.text
        page = response.json()
        found += page["data"]
        if page["next_cursor"] is None:
            return found
        parameters["cursor"] = page["next_cursor"]


async def read_feed(client: httpx.AsyncClient) -> list[Any]:
    """All of it; without a gap."""
    found: list[Any] = []
    while True:
        after = found[-1]["sequence"] if found else 0
        response = await client.get("/api/feed", params={"after": after, "limit": 100})
        assert response.is_success, response.text
        page = response.json()["data"]
        found += page
        if not page:
            break
    assert [event["sequence"] for event in found] == list(range(1, len(found) + 1))
    return found


def of_name(feed: list[Any], name: str) -> list[Any]:
    return [event for event in feed if event["name"] == name]


def require_once(expected: dict[Any, Any], found: list[tuple[Any, Any]]) -> None:
    """Each with the value that was acknowledged, and nothing else."""
    counts = collections.Counter(key for key, _ in found)
    assert {key: n for key, n in counts.items() if n > 1} == {}, "written more than once"
    shown = dict(found)
    assert {k: v for k, v in expected.items() if shown.get(k) != v} == {}, "lost or changed"
    assert {k: v for k, v in shown.items() if k not in expected} == {}, "nobody wrote it"


async def _verify_sessions(ledger: Ledger, sessions: list[Any], feed: list[Any]) -> None:
    titled = [(session["title"], session["id"]) for session in sessions if session["title"]]
    require_once(ledger.sessions, titled)
    created = [int(event["entity_id"]) for event in of_name(feed, "session.created")]
    assert sorted(created) == sorted(session["id"] for session in sessions)
    states = {session["id"]: session["state"] for session in sessions}
    missing = [marker for marker, where in ledger.patches.items() if marker not in states[where]]
    assert missing == [], "acknowledged patches that are not there"
    patched = collections.Counter(int(e["entity_id"]) for e in of_name(feed, "session.updated"))
    assert patched >= collections.Counter(ledger.patches.values())


async def _verify_interactions(
    client: httpx.AsyncClient, ledger: Ledger, sessions: list[Any], feed: list[Any]
) -> None:
    found: list[tuple[str, tuple[int, str, int]]] = []
    results: list[tuple[str, tuple[int, str]]] = []
    for session in sessions:
        session_id = session["id"]
        path = f"/api/sessions/{session_id}/interactions"
        documents = await read_all(client, path, order="asc")
        seqs = [document["seq"] for document in documents]
        assert seqs == list(range(1, session["interaction_count"] + 1))
        events = [e["payload"] for e in feed if e["payload"].get("session_id") == session_id]
        appended = [e for e in events if e["status"] is None]
        assert covered(appended, "seq") == seqs, "each interaction is in one event"
        completed = [document for document in documents if document["result"]]
        assert len(completed) == len(events) - len(appended)
        found += [(d["command"]["command"], (session_id, d["id"], d["seq"])) for d in documents]
        results += [(d["result"]["stdout"], (session_id, d["id"])) for d in completed]
    certain = {m: (w.session_id, str(w.id), w.seq) for m, w in ledger.interactions.items()}
    uncertain = {marker: value for marker, value in found if marker in ledger.uncertain}
    require_once(certain | uncertain, found)
    require_once({m: (s, str(i)) for m, (s, i) in ledger.results.items()}, results)


def covered(payloads: list[Any], last: str) -> list[int]:
    """The numbers of what several events stand for, in the events' order."""
    return [
        number
        for payload in payloads
        for number in range(payload[last] - payload["count"] + 1, payload[last] + 1)
    ]


async def _verify_events(client: httpx.AsyncClient, ledger: Ledger, feed: list[Any]) -> None:
    found: list[tuple[str, tuple[str, int]]] = []
    for instance in await read_all(client, "/api/instances"):
        name = instance["instance_id"]
        events = await read_all(client, f"/api/instances/{name}/events")
        numbers = [event["sequence_num"] for event in events]
        assert numbers == list(range(1, instance["event_count"] + 1))
        emitted = of_name(feed, "instance.events_emitted")
        own = [event["payload"] for event in emitted if event["entity_id"] == name]
        marked = [event for event in events if "marker" in event["event_data"]]
        assert covered(own, "sequence_num") == [event["sequence_num"] for event in marked]
        found += [(e["event_data"]["marker"], (name, e["sequence_num"])) for e in marked]
    require_once(ledger.events, found)


async def _verify_claims(client: httpx.AsyncClient, ledger: Ledger, feed: list[Any]) -> None:
    claims = await read_all(client, "/api/claims")
    shown = [(c["id"], (c["work_item"], c["session_id"], c["fencing_token"])) for c in claims]
    require_once(ledger.claims, shown)
    granted = [int(event["entity_id"]) for event in of_name(feed, "claim.granted")]
    assert sorted(granted) == sorted(ledger.claims)
    done = await read_all(client, "/api/work-items", status="done")
    assert {item["key"] for item in done} == ledger.completed
    completed = [event["entity_id"] for event in of_name(feed, "work_item.completed")]
    assert sorted(completed) == sorted(ledger.completed)
