"""The live feed in a terminal."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx

from tests.servers import Server


def test_tail_follows_and_resumes(server: Server, tmp_path: Path) -> None:
    made = {"type": "RecordedSessions"}
    header = {"Authorization": f"Bearer {server.token}"}
    session_id = httpx.post(f"{server.url}/api/sessions", json=made, headers=header).json()["id"]
    for arguments in (
        ["tail", "--session", str(session_id)],
        ["sessions", "tail", str(session_id)],
    ):
        output = tmp_path / f"{arguments[0]}.txt"
        with output.open("w") as file:
            process = server.start(*arguments, "--json", stdout=file)
        path = f"{server.url}/api/sessions/{session_id}/interactions"
        while output.read_text().count("\n") < 2:
            assert process.poll() is None
            httpx.post(path, json={"command": {"module": "Bash"}}, headers=header)
            httpx.post(f"{server.url}/api/sessions", json=made, headers=header)
        process.terminate()
        process.wait(timeout=10)
        events = [json.loads(line) for line in output.read_text().splitlines()]
        assert {e["name"] for e in events} == {"interaction.created"}
        sequences = [e["payload"]["seq"] for e in events]
        assert sequences == list(range(sequences[0], sequences[0] + len(sequences)))
    refused = server.run("tail", AGENT_SESSIONS_TOKEN="wrong")
    assert refused.returncode == 1


def test_tail_retries_temporary_errors(server: Server) -> None:
    """A server that restarts or is busy says 503 or 429, the proxy before it 502."""
    answers = [502, 503, 504, 429, 401]

    class Receiver(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(answers.pop(0))

    with HTTPServer(("127.0.0.1", 0), Receiver) as receiver:
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        done = server.run("tail", AGENT_SESSIONS_URL=f"http://127.0.0.1:{receiver.server_port}")
        receiver.shutdown()
    assert (done.returncode, answers) == (1, [])
    assert done.stderr.count("trying again\n") == 4
    assert "401" in done.stderr


def test_only_cr_and_lf_end_a_line_of_the_stream(server: Server) -> None:
    """A title may hold other characters that Python takes for line ends."""
    event = {"name": "session.created", "entity_id": 1, "at": "2026-01-01T00:00:00Z"}
    titles = ["a\u2028b", "c\u2029d", "e\x85f"]
    stream = b""
    for number, title in enumerate(titles, 1):
        data = {**event, "sequence": number, "payload": {"title": title}}
        line = json.dumps(data, ensure_ascii=False).encode()
        end = [b"\r\n", b"\n", b"\r"][number - 1]
        stream += b"id: %d" % number + end + b"data:" + line + end + end

    class Receiver(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if "after=3" in self.path:
                self.send_error(401)
                return
            self.send_response(200)
            self.end_headers()
            for position in range(len(stream)):
                self.wfile.write(stream[position : position + 1])

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Receiver) as receiver:
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{receiver.server_port}"
        done = server.run("tail", "--json", AGENT_SESSIONS_URL=url)
        receiver.shutdown()
    assert done.returncode == 1
    shown = [json.loads(line) for line in done.stdout.split("\n") if line]
    assert [event["payload"]["title"] for event in shown] == titles
