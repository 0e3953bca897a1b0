from typing import Any

from tests.conftest import hook_stream
from tests.factories import World


async def test_a_recorded_run_becomes_a_session(world: World) -> None:
    client = world.client()
    for event in hook_stream("claude-code-simple"):
        response = await client.post("/api/hooks/claude-code", json=event)
        assert (response.status_code, response.content) == (204, b"")

    listed = (await client.get("/api/sessions")).json()
    assert listed["next_cursor"] is None
    [summary] = listed["data"]
    session: dict[str, Any] = (await client.get(f"/api/sessions/{summary['id']}")).json()
    shown = [
        (i["seq"], i["command"]["module"], i["command"]["command"], i["result"]["status"])
        for i in session["interactions"]
    ]
    assert shown == [
        (1, "UserPrompt", "hi", "ok"),
        (2, "Bash", "echo hi", "ok"),
        (3, "Event", "MessageDisplay", "ok"),
    ]
