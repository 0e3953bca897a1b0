"""What idle streams cost: memory each, and what an append pays. python -m bench.streams"""

import argparse
import asyncio
import statistics
from pathlib import Path

import httpx

from bench.client import Job
from bench.processes import Bench, started

BODY = '{"command": {"module": "Bash", "command": "ls"}}'
ROUNDS = 15
SECONDS = 1.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.streams", description=__doc__)
    parser.add_argument("--streams", type=int, default=500)
    count = parser.parse_args().streams
    with started() as bench:
        asyncio.run(_measure(bench, count))


async def _measure(bench: Bench, count: int) -> None:
    """In turns with and without, so that noise meets both alike.

    The streams show another session than the one that is written to: awake, with nothing to send.
    """
    pid = _server_pid(bench.server.port)
    headers = {"Authorization": f"Bearer {bench.server.token}"}
    url = f"http://127.0.0.1:{bench.server.port}"
    async with httpx.AsyncClient(headers=headers, base_url=url) as client:
        ids = [
            (await client.post("/api/sessions", json={"type": "RecordedSessions"})).json()["id"]
            for _ in range(2)
        ]
    job = Job(
        port=bench.server.port,
        method="POST",
        paths=[f"/api/sessions/{ids[0]}/interactions"],
        headers=headers,
        body=BODY,
        clients=1,
        seconds=SECONDS,
    )

    async def append() -> float:
        return (await asyncio.to_thread(bench.load.measure, job)).p50_ms

    await append()
    alone, beside, grown = [await append()], [], []
    for _ in range(ROUNDS):
        before = _resident_bytes(pid)
        writers = await _open(bench, ids[1], count)
        await asyncio.sleep(1)
        grown.append(_resident_bytes(pid) - before)
        beside.append(await append())
        for writer in writers:
            writer.close()
        await asyncio.sleep(1)
        alone.append(await append())
    print(f"{count} streams: at most {max(grown) / 1e6:.0f} MB more in the server")
    with_, without = statistics.median(beside), statistics.median(alone)
    # Each beside the mean of the two around it: the machine's pace changes from minute to minute.
    ratios = [b * 2 / (a + c) for a, b, c in zip(alone, beside, alone[1:], strict=False)]
    low, middle, high = statistics.quantiles(ratios)
    print(f"append p50 {without:.2f} ms alone, {with_:.2f} ms beside them")
    print(f"in the same seconds: {middle:.2f} (half of {ROUNDS} lie from {low:.2f} to {high:.2f})")


async def _open(bench: Bench, session_id: int, count: int) -> list[asyncio.StreamWriter]:
    request = (
        f"GET /api/feed/stream?session_id={session_id} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: Bearer {bench.server.token}\r\n\r\n"
    )
    writers = []
    for _ in range(count):
        reader, writer = await asyncio.open_connection("127.0.0.1", bench.server.port)
        writer.write(request.encode())
        status = await reader.readline()
        assert b" 200 " in status, status
        writers.append(writer)
    return writers


def _server_pid(port: int) -> int:
    """Of the process whose command line serves this port."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if b"serve" in words and str(port).encode() in words:
                return int(entry.name)
    raise RuntimeError(f"no process serves port {port}")


def _resident_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("the server is gone")


if __name__ == "__main__":
    main()
