"""A load generator that leaves the processor to those it measures.

It runs as a process of its own: one job per line of standard input, one measurement per line of
standard output, both JSON. Every connection sends its next request when the answer is there.
"""

import asyncio
import itertools
import sys
import time
from collections.abc import Iterator
from functools import partial
from typing import cast

import httptools
import msgspec
import uvloop

WARM_UP_SECONDS = 0.2
PATIENCE_SECONDS = 60


class Job(msgspec.Struct, frozen=True, kw_only=True):
    port: int
    method: str
    paths: list[str]
    """Shared out among the clients, each of which goes round its own."""
    headers: dict[str, str]
    body: str
    clients: int
    seconds: float


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    requests: int
    per_second: float
    p50_ms: float
    p99_ms: float
    failures: int
    failure: str | None
    """Status and body of the first request that was not answered by a 2xx."""


class Recorder:
    """Counts what is answered between warming up and the deadline."""

    def __init__(self, seconds: float) -> None:
        self.start = time.perf_counter() + WARM_UP_SECONDS
        self.end = self.start + seconds
        self.latencies: list[float] = []
        self.failures = 0
        self.failure: str | None = None

    def answered(self, sent_at: float) -> bool:
        """Whether another request is to be sent."""
        now = time.perf_counter()
        if self.start <= now <= self.end:
            self.latencies.append(now - sent_at)
        return now < self.end

    def failed(self, why: str) -> None:
        self.failures += 1
        self.failure = self.failure or why

    def measurement(self) -> Measurement:
        ordered = sorted(self.latencies) or [0.0]
        return Measurement(
            requests=len(self.latencies),
            per_second=len(self.latencies) / (self.end - self.start),
            p50_ms=ordered[len(ordered) // 2] * 1e3,
            p99_ms=ordered[len(ordered) * 99 // 100] * 1e3,
            failures=self.failures,
            failure=self.failure,
        )


class Connection(asyncio.Protocol):
    def __init__(self, requests: Iterator[bytes], recorder: Recorder) -> None:
        self.finished = asyncio.get_running_loop().create_future()
        self._requests = requests
        self._recorder = recorder
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._send()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        if self._parser.get_status_code() >= 300:
            self._body += body

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= 300:
            self._recorder.failed(f"{status} {self._body.decode(errors='replace')}")
        if self._recorder.answered(self._sent_at):
            # Not from inside the parser, which still has to return from this message.
            asyncio.get_running_loop().call_soon(self._send)
        else:
            self._finish()

    def connection_lost(self, _error: Exception | None) -> None:
        if not self.finished.done():
            self._recorder.failed("connection closed")
            self._finish()

    def _send(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._body = b""
        self._sent_at = time.perf_counter()
        self._transport.write(next(self._requests))

    def _finish(self) -> None:
        self.finished.set_result(None)
        self._transport.close()


async def measure(job: Job) -> Measurement:
    requests = [_request(job, path) for path in job.paths]
    recorder = Recorder(job.seconds)
    loop = asyncio.get_running_loop()
    connections = []
    for number in range(job.clients):
        own = requests[number :: job.clients] or [requests[number % len(requests)]]
        _, connection = await loop.create_connection(
            partial(Connection, itertools.cycle(own), recorder), "127.0.0.1", job.port
        )
        connections.append(connection)
    answers = asyncio.gather(*(connection.finished for connection in connections))
    await asyncio.wait_for(answers, job.seconds + PATIENCE_SECONDS)
    return recorder.measurement()


def _request(job: Job, path: str) -> bytes:
    body = job.body.encode()
    headers = {"Host": "127.0.0.1", **job.headers}
    if body:
        headers |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
    lines = [f"{job.method} {path} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def main() -> None:
    for line in sys.stdin.buffer:
        measurement = uvloop.run(measure(msgspec.json.decode(line, type=Job)))
        sys.stdout.buffer.write(msgspec.json.encode(measurement) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
