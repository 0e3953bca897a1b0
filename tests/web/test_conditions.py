"""ETag, If-None-Match, If-Match."""

import asyncio
from typing import Any

import pytest

from tests.factories import World

BODY = {"type": "RecordedSessions"}


async def test_a_version_is_sent_once(world: World) -> None:
    client = world.client()
    created = await client.post("/api/sessions", json=BODY)
    path, tag = created.headers["location"], created.headers["etag"]
    assert tag == '"1"'
    for known in (tag, f"W/{tag}", f'"0", {tag}'):
        unchanged = await client.get(path, headers={"If-None-Match": known})
        assert (unchanged.status_code, unchanged.content) == (304, b"")
        assert unchanged.headers["etag"] == tag
    await client.post(f"{path}/interactions", json={"command": {"module": "Bash"}})
    changed = await client.get(path, headers={"If-None-Match": tag})
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')


@pytest.mark.parametrize(
    ("method", "suffix", "body"),
    [
        ("PATCH", "", {"title": "x"}),
        ("DELETE", "", None),
        ("POST", "/complete", None),
        ("POST", "/move", {"project_id": None}),
        ("POST", "/interactions", {"command": {"module": "Bash"}}),
    ],
)
async def test_a_lost_update_is_refused(world: World, method: str, suffix: str, body: Any) -> None:
    client = world.client()
    created = await client.post("/api/sessions", json=BODY)
    path, first = created.headers["location"], created.headers["etag"]
    await client.patch(path, json={"title": "meanwhile"})
    late = await client.request(method, path + suffix, json=body, headers={"If-Match": first})
    assert (late.status_code, late.json()["code"]) == (412, "version_mismatch")
    session = await client.get(path)
    assert (session.json()["title"], session.headers["etag"]) == ("meanwhile", '"2"')
    for match in (f'"1", {session.headers["etag"]}', "*"):
        done = await client.patch(path, json={}, headers={"If-Match": match})
        assert done.status_code == 200


@pytest.mark.parametrize("kind", ["projects", "components", "members", "accounts"])
async def test_resources_without_a_counter_have_versions_too(world: World, kind: str) -> None:
    client = world.client()
    if kind == "components":
        await client.post("/api/components", json={"name": "Part", "module_name": "Part"})
    [row] = (await client.get(f"/api/{kind}")).json()["data"]
    path = f"/api/{kind}/{row['id']}"
    tag = (await client.get(path)).headers["etag"]
    body = {"role": "owner"} if kind == "members" else {"name": "Changed"}
    stale = await client.patch(path, json=body, headers={"If-Match": '"20200101T000000.000000"'})
    assert stale.status_code == 412
    answers = await asyncio.gather(
        *(client.patch(path, json=body, headers={"If-Match": tag}) for _ in range(4))
    )
    late = 200 if kind == "members" else 412  # an owner stays one: nothing has changed
    assert sorted(answer.status_code for answer in answers) == [200, late, late, late]
