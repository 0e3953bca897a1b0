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


async def test_losing_a_reference_changes_the_version(world: World) -> None:
    client = world.client(**{"X-Project": "*"})

    async def new(kind: str, **fields: Any) -> str:
        answer = await client.post(f"/api/{kind}", json=fields)
        assert answer.status_code == 201, answer.text
        location: str = answer.headers["location"]
        return location

    async def part(name: str, **fields: Any) -> str:
        return await new("components", name=name, module_name=name, project_id=project_id, **fields)

    project = await new("projects", name="Other", slug="other")
    project_id = _id(project)
    component, parent = await part("Whole"), await new("sessions", **BODY)
    item = await new("work-items", key="ITEM-1", title="x")
    device = await new("devices", name="machine")
    for path in (item, device):
        await client.post(f"{path}/move", json={"project_id": project_id})
    referring = {
        parent: [await new("sessions", **BODY, parent_session_id=_id(parent))],
        component: [
            await part("Part", parent_component_id=_id(component)),
            await new("sessions", **BODY, component_id=_id(component)),
        ],
        project: [await new("sessions", **BODY, component_id=_id(await part("Rest")))],
    }
    referring[project] += [item, device]
    for deleted, paths in referring.items():
        before = [(await client.get(path)).headers["etag"] for path in paths]
        assert (await client.delete(deleted)).status_code == 204
        for path, tag in zip(paths, before, strict=True):
            after = await client.get(path, headers={"If-None-Match": tag})
            assert (after.status_code, path) == (200, path)


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


def _id(path: str) -> int:
    return int(path.rpartition("/")[2])
