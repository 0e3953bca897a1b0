"""A replay equals a fold in plain Python, wherever it starts and however it is paged."""

import asyncio
import tracemalloc
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.contexts import continuity
from app.schemas.continuity import CheckpointInput, EventInput, InstanceRegister, ReplayOut
from tests.factories import World

TYPES = [t.event_type for t in continuity.EVENT_TYPES]
CATEGORY = {t.event_type: t.category for t in continuity.EVENT_TYPES}
steps = st.lists(
    st.one_of(
        st.just("checkpoint"),
        st.tuples(st.sampled_from(TYPES), st.sampled_from(["001", "002", ""])),
        # Often enough that they follow each other.
        st.tuples(st.sampled_from(["epic_started", "epic_failed"]), st.sampled_from(["1", "2"])),
    ),
    max_size=25,
)


async def new_instance(world: World) -> str:
    async with world.db() as db:
        data = InstanceRegister(project="consilio-s", instance_type="PS")
        registered = await continuity.register_instance(world.scope(), db, data)
        return registered.instance.instance_id


async def emit(world: World, instance_id: str, events: list[EventInput]) -> list[int]:
    async with world.db() as db:
        emitted = await continuity.emit_instance_events(world.scope(), db, instance_id, events)
        return [event.sequence_num for event in emitted.events]


async def replay(world: World, instance_id: str, **options: Any) -> ReplayOut:
    async with world.db() as db:
        return await continuity.replay_instance_events(world.scope(), db, instance_id, **options)


def plain_fold(events: list[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    """The fold written again, in the slow and obvious way."""
    numbered = list(enumerate(events, 1))

    def last(prefix: str) -> int | None:
        found = [n for n, (kind, _) in numbered if kind.startswith(prefix)]
        return found[-1] if found else None

    epic = None
    for kind, data in events:
        if kind == "epic_started":
            epic = data.get("epic_id") or None
        elif kind in {"epic_completed", "epic_failed"}:
            epic = None
    categories = [CATEGORY[kind] for kind, _ in events]  # type: ignore[index]
    return {
        "sequence_num": len(events),
        "current_epic": epic,
        "counts": {c: categories.count(c) for c in categories},
        "last_test": last("test_"),
        "last_validation": last("validation_"),
        "last_deployment": last("deployment_"),
        "last_checkpoint": last("checkpoint_created"),
        "last_event": len(events) or None,
    }


def as_plain(replayed: ReplayOut) -> dict[str, Any]:
    state = replayed.state
    marks = ("last_test", "last_validation", "last_deployment", "last_checkpoint", "last_event")
    found = {name: getattr(state, name) for name in marks}
    return {
        "sequence_num": state.sequence_num,
        "current_epic": state.current_epic,
        "counts": state.counts,
        **{name: mark and mark.sequence_num for name, mark in found.items()},
    }


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=steps, page_size=st.sampled_from([1, 2, 7, 1000]))
async def test_replay_is_a_fold(world: World, steps: list[Any], page_size: int) -> None:
    instance_id = await new_instance(world)
    events: list[tuple[str, dict[str, Any]]] = [("instance_registered", {})]
    for step in steps:
        if step == "checkpoint":
            async with world.db() as db:
                data = CheckpointInput()
                await continuity.create_checkpoint(world.scope(), db, instance_id, data)
            events.append(("checkpoint_created", {}))
        else:
            kind, epic = step
            await emit(
                world, instance_id, [EventInput(event_type=kind, event_data={"epic_id": epic})]
            )
            events.append((kind, {"epic_id": epic}))
    async with world.db() as db:
        instance = await continuity.get_instance(world.scope(), db, instance_id)
    assert instance.current_epic == plain_fold(events)["current_epic"]
    for to_sequence in {0, 1, len(events) // 2, len(events)}:
        expected = plain_fold(events[:to_sequence])
        for from_zero in (True, False):
            replayed = await replay(
                world,
                instance_id,
                to_sequence=to_sequence,
                page_size=page_size,
                from_zero=from_zero,
            )
            assert as_plain(replayed) == expected
            assert replayed.complete


async def test_a_long_replay_keeps_memory_flat(world: World) -> None:
    instance_id = await new_instance(world)
    kinds: list[Any] = [TYPES[n % len(TYPES)] for n in range(500)]
    for _ in range(8):
        await emit(world, instance_id, [EventInput(event_type=kind) for kind in kinds])
    await replay(world, instance_id, page_size=100)
    peaks = []
    for to_sequence in (500, 4001):
        tracemalloc.start()
        replayed = await replay(world, instance_id, to_sequence=to_sequence, page_size=100)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert replayed.state.sequence_num == to_sequence
    assert peaks[1] < 2 * peaks[0] + 200_000


async def test_sixteen_writers(world: World) -> None:
    instance_id = await new_instance(world)

    async def write() -> list[int]:
        numbers = []
        for count in (1, 3, 1):
            batch = [EventInput(event_type="task_spawned")] * count
            numbers += await emit(world, instance_id, batch)
        return numbers

    written = await asyncio.gather(*(write() for _ in range(16)))
    assert sorted(n for numbers in written for n in numbers) == list(range(2, 82))
    assert as_plain(await replay(world, instance_id))["counts"] == {"instance": 1, "system": 80}


async def test_a_completed_epic_creates_a_checkpoint_when_the_setting_is_on(world: World) -> None:
    client = world.client()
    instance_id = await new_instance(world)
    path = f"/api/instances/{instance_id}"
    await emit(world, instance_id, [EventInput(event_type="epic_completed")])
    assert (await client.get(f"{path}/checkpoints/latest")).status_code == 404
    changed = await client.patch(
        "/api/continuity/settings", json={"checkpoint_on_epic_completed": True}
    )
    assert changed.json()["checkpoint_on_epic_completed"] is True
    assert changed.json()["event_days"] == 90
    await emit(world, instance_id, [EventInput(event_type="epic_completed")])
    checkpoint = (await client.get(f"{path}/checkpoints/latest")).json()
    assert (checkpoint["checkpoint_type"], checkpoint["event_sequence"]) == ("epic_completion", 4)
    answer = (await client.get(f"{path}/replay")).json()
    assert (answer["from_sequence"], answer["complete"]) == (4, True)
    assert answer["state"]["last_checkpoint"]["checkpoint_id"] == checkpoint["checkpoint_id"]
