"""An agent is killed in the middle of its work, and another goes on."""

import asyncio
import signal
import subprocess
import sys
from typing import Any

import asyncpg
import httpx

from app import embedded
from tests.servers import Server, environment

AGENT = """
import os, sys, time
import httpx
client = httpx.Client(base_url=sys.argv[1], headers={"Authorization": "Bearer " + sys.argv[2]})
def post(path, body):
    client.post("/api/instances" + path, json=body).raise_for_status()
instance = {"instance_id": "consilio-PS-abc123", "project": "consilio-s", "instance_type": "PS"}
post("", instance)
post("/consilio-PS-abc123/events", {"event_type": "epic_started", "event_data": {"epic_id": "001"}})
post("/consilio-PS-abc123/commands",
     {"command_type": "task", "action": "spawn_subagent", "success": False})
post("/consilio-PS-abc123/events", [{"event_type": "test_started"}, {"event_type": "test_failed"}])
print("working", flush=True)
time.sleep(60)
"""


def silence(server: Server, seconds: int) -> None:
    """As if that much time had passed since the last heartbeat."""

    async def run(url: str) -> None:
        connection = await asyncpg.connect(url)
        await connection.execute(
            "UPDATE supervisor_sessions SET last_heartbeat = now() - make_interval(secs => $1)",
            seconds,
        )
        await connection.close()

    with embedded.start(server.data_dir) as cluster:
        asyncio.run(run(cluster.url))


def kill_an_agent(server: Server) -> None:
    agent = subprocess.Popen(
        [sys.executable, "-c", AGENT, server.url, server.token],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(server.home),
    )
    with agent:
        assert agent.stdout is not None
        assert agent.stdout.readline() == "working\n"
        agent.send_signal(signal.SIGKILL)


def handoff(server: Server, *hint: str) -> dict[str, Any]:
    answer: dict[str, Any] = server.json("instances", "resume", *hint)["handoff"]
    assert answer["instance"]["instance_id"] == "consilio-PS-abc123"
    assert answer["current_epic"] == "001"
    return answer


def test_killed_instance_is_resumed(server: Server) -> None:
    kill_an_agent(server)
    early = server.run("instances", "resume", "abc123")
    assert early.returncode == 1
    assert "still alive" in early.stderr
    silence(server, 121)
    hints: list[list[str]] = [
        ["consilio-PS-abc123"],
        ["abc123"],
        ["bc12"],
        ["001"],
        ["consilio-s"],
        [],
    ]
    for hint in hints:
        found = handoff(server, *hint)
        assert (found["source"], found["confidence"]) == ("events", 60)
        assert [e["event_type"] for e in found["events"]][-3:] == [
            "epic_started",
            "test_started",
            "test_failed",
        ]
        assert found["commands"][-1]["action"] == "spawn_subagent"
        assert len(found["next_steps"]) == 3
        assert "Continue epic 001." in found["next_steps"]
    assert "Continue epic 001." in server.run("instances", "resume").stdout
    assert "consilio-PS-abc123" in server.run("instances", "list", "--status", "active").stdout
    assert "epic_started" in server.run("instances", "timeline", "consilio-PS-abc123").stdout
    assert "project: consilio-s" in server.run("instances", "show", "consilio").stdout

    headers = {"Authorization": f"Bearer {server.token}"}
    client = httpx.Client(base_url=f"{server.url}/api/instances", headers=headers)
    with client:
        path = "/consilio-PS-abc123/checkpoints"
        work = {"next_steps": ["Write the login form."], "phase": "implementation"}
        made = client.post(path, json={"work_state": work}).json()
        found = handoff(server)
        assert (found["source"], found["confidence"]) == ("checkpoint", 95)
        assert found["next_steps"][0] == "Write the login form."
        client.post("/consilio-PS-abc123/events", json={"event_type": "commit_created"})
        restored = client.post(f"{path}/{made['checkpoint_id']}/restore").json()
        assert restored["work_state"] == work
        assert [e["event_type"] for e in restored["events"]] == ["commit_created"]
        assert "phase: implementation" in restored["instructions"]

        other = {"project": "consilio-s", "instance_type": "MS", "instance_id": "x-MS-abc129"}
        client.post("", json=other)
        silence(server, 3600)
        for ambiguous in ("abc12", "consilio-s"):
            choices = server.json("instances", "resume", ambiguous)["choices"]
            assert {c["instance_id"] for c in choices} == {"consilio-PS-abc123", "x-MS-abc129"}
        row = server.json("instances", "resume", "x-MS-abc129")["handoff"]
        assert (row["source"], row["next_steps"]) == ("instance", ["Choose the next epic."])
        assert server.run("instances", "resume", "nothing").returncode == 1
        client.post("/x-MS-abc129/close")
        closed = client.post("/resume", json={"hint": "x-MS-abc129"})
        assert (closed.status_code, closed.json()["code"]) == (409, "instance_closed")
    folder = ("--data-dir", str(server.data_dir))
    assert server.json("retention", "--dry-run", *folder) == {"dry_run": True, "data": []}
    assert "removed" in server.run("retention", *folder).stdout
