"""Spans, as a collector receives them from a server of their own."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from app.settings import SettingsError, from_environment
from tests.servers import Server, start_server, stop_server


class Collector(BaseHTTPRequestHandler):
    received: list[ExportTraceServiceRequest]

    def do_POST(self) -> None:
        assert self.path == "/v1/traces"
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.received.append(ExportTraceServiceRequest.FromString(body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Not among the test's own output."""


@pytest.fixture
def collector() -> Iterator[HTTPServer]:
    Collector.received = []
    server = HTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_span_for_each_request(tmp_path: Path, collector: HTTPServer) -> None:
    server = start_server(
        tmp_path,
        AGENT_SESSIONS_TRACES="1",
        OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{collector.server_port}",
        OTEL_RESOURCE_ATTRIBUTES="deployment.environment=test",
    )
    try:
        statuses = _ask(server)
    finally:
        # What had not been sent yet goes out at the end.
        assert stop_server(server) == 0
    assert statuses == [201, 200, 404, 422, 404]
    resources = [spans for request in Collector.received for spans in request.resource_spans]
    service = {a.key: a.value.string_value for a in resources[0].resource.attributes}
    assert service["service.name"] == "agent-sessions"
    assert service["deployment.environment"] == "test"
    spans = [s for r in resources for scoped in r.scope_spans for s in scoped.spans]
    asked = [span for span in spans if span.name != "GET /health/live"]
    assert [span.name for span in asked] == [
        "POST /api/sessions",
        "GET /api/sessions/{session_id}",
        "GET /api/sessions/{session_id}",
        "GET /api/sessions",
        "GET /{path}",
    ]
    values = [
        {a.key: a.value.string_value or a.value.int_value for a in s.attributes} for s in asked
    ]
    assert [value["http.status_code"] for value in values] == statuses
    assert asked[0].trace_id.hex() == "4bf92f3577b34da6a3ce929d0e0e4736", "the client's own trace"
    everything = str(Collector.received)
    assert "mauve" not in everything, "what somebody searches is theirs"
    assert server.token not in everything


def _ask(server: Server) -> list[int]:
    headers = {"Authorization": f"Bearer {server.token}"}
    trace = {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
    with httpx.Client(base_url=server.url, headers=headers) as client:
        created = client.post("/api/sessions", json={"type": "RecordedSessions"}, headers=trace)
        answers = [
            created,
            client.get(created.headers["location"]),
            client.get("/api/sessions/999?interactions=1"),
            client.get("/api/sessions?q=mauve&limit=0"),
            client.get("/mauve"),
        ]
    return [answer.status_code for answer in answers]


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.settings.find_spec", lambda _: None)
    environment = {"DATABASE_URL": "postgresql://nowhere/x", "AGENT_SESSIONS_TRACES": "1"}
    with pytest.raises(SettingsError, match=r"AGENT_SESSIONS_TRACES.*requirements-otel\.txt"):
        from_environment(environment)
