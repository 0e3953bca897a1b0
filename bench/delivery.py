"""From an append to the stream that shows it, at a steady rate. python -m bench.delivery"""

import argparse
import asyncio
import itertools
import time
from collections.abc import Iterator

import httpx
import msgspec

from bench.processes import Bench, started
from bench.scenarios import BODY
from bench.seed import Api

SESSIONS = 16
CONNECTIONS = 16
SECONDS = 10.0
WARM_UP_SECONDS = 1.0


class Times(msgspec.Struct):
    """By session and seq, on one clock."""

    sent: dict[tuple[int, int], float]
    answered: dict[tuple[int, int], float]
    shown: dict[tuple[int, int], float]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.delivery", description=__doc__)
    parser.add_argument("--rate", type=int, default=500, help="appends a second")
    parser.add_argument("--streams", type=int, default=1)
    arguments = parser.parse_args()
    with started() as bench:
        times = asyncio.run(_measure(bench, arguments.rate, arguments.streams))
    print(f"{len(times.answered)} appends, {len(times.answered) / SECONDS:.0f} a second")
    for name, since in (("answer", times.answered), ("request", times.sent)):
        late = sorted(1e3 * (times.shown[key] - since[key]) for key in times.answered)
        print(
            f"from {name} to stream: p50 {late[len(late) // 2]:.1f} ms, "
            f"p99 {late[len(late) * 99 // 100]:.1f} ms, at most {late[-1]:.1f} ms"
        )


async def _measure(bench: Bench, rate: int, streams: int) -> Times:
    sessions = Api(bench.server).create_sessions(SESSIONS, 0)
    times = Times(sent={}, answered={}, shown={})
    reading = [asyncio.create_task(_read(bench, times)) for _ in range(streams)]
    await asyncio.sleep(WARM_UP_SECONDS)
    begun = time.perf_counter()
    moments = (begun + number / rate for number in range(int(rate * SECONDS)))
    paths = itertools.cycle(f"/api/sessions/{session}/interactions" for session in sessions)
    jobs = zip(moments, paths, strict=False)
    await asyncio.gather(*(_append(bench, jobs, times) for _ in range(CONNECTIONS)))
    while times.answered.keys() - times.shown.keys():  # noqa: ASYNC110 - the readers fill it
        await asyncio.sleep(0.05)
    for task in reading:
        task.cancel()
    return times


async def _append(bench: Bench, jobs: Iterator[tuple[float, str]], times: Times) -> None:
    """Takes the next that is due; a server too slow for the rate is seen in the times."""
    reader, writer = await asyncio.open_connection("127.0.0.1", bench.server.port)
    for moment, path in jobs:
        await asyncio.sleep(moment - time.perf_counter())
        sent = time.perf_counter()
        writer.write(_request(bench, path))
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        answer = msgspec.json.decode(await reader.readexactly(length))
        key = int(path.split("/")[3]), answer["seq"]
        times.sent[key], times.answered[key] = sent, time.perf_counter()
    writer.close()


async def _read(bench: Bench, times: Times) -> None:
    """With several streams the last one that shows an event counts."""
    headers = {"Authorization": f"Bearer {bench.server.token}"}
    url = f"http://127.0.0.1:{bench.server.port}/api/feed/stream"
    async with (
        httpx.AsyncClient(headers=headers, timeout=None) as client,
        client.stream("GET", url) as response,
    ):
        async for line in response.aiter_lines():
            if line.startswith("data: "):
                payload = msgspec.json.decode(line[6:])["payload"]
                if "seq" in payload:
                    times.shown[payload["session_id"], payload["seq"]] = time.perf_counter()


def _request(bench: Bench, path: str) -> bytes:
    lines = (
        f"POST {path} HTTP/1.1",
        "Host: 127.0.0.1",
        f"Authorization: Bearer {bench.server.token}",
        "Content-Type: application/json",
        f"Content-Length: {len(BODY)}",
    )
    return "\r\n".join([*lines, "", BODY]).encode()


if __name__ == "__main__":
    main()
