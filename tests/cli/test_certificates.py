"""The certificates that the hook and the other commands trust."""

import shutil
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.servers import environment

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
REQUEST = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificate")
    words = ["openssl", *REQUEST.split(), "subjectAltName=DNS:localhost"]
    files = ["-keyout", "key.pem", "-out", "certificate.pem"]
    subprocess.run([*words, *files], cwd=folder, check=True, capture_output=True)
    return folder / "certificate.pem"


@pytest.fixture
def secure(certificate: Path) -> Iterator[tuple[str, list[str]]]:
    reached: list[str] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            reached.append(self.path)
            body = b'{"data": [], "next_cursor": null}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            reached.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        server.daemon_threads = True
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"https://localhost:{server.server_port}", reached
        server.shutdown()


def run(home: Path, url: str, *words: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    own = {"AGENT_SESSIONS_URL": url, "AGENT_SESSIONS_TOKEN": "as_1-1_x", **variables}
    return subprocess.run(
        [sys.executable, "-m", "app", *words],
        input='{"session_id": "s"}',
        capture_output=True,
        text=True,
        env=environment(home, **own),
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_certificate_of_the_environment_is_trusted(
    secure: tuple[str, list[str]], certificate: Path, tmp_path: Path, variable: str
) -> None:
    url, reached = secure
    trust = {variable: str(certificate)}
    assert run(tmp_path, url, "sessions", "list", **trust).returncode == 0
    assert run(tmp_path, url, "hook", **trust).returncode == 0
    assert [path.partition("?")[0] for path in reached] == [
        "/api/sessions",
        "/api/hooks/claude-code",
    ]


def test_unknown_certificate_ends_a_command_and_keeps_the_event(
    secure: tuple[str, list[str]], tmp_path: Path
) -> None:
    url, reached = secure
    refused = run(tmp_path, url, "sessions", "list")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "certificate verify failed" in refused.stderr
    patient = run(tmp_path, url, "run", "1", "--yes")
    assert patient.returncode == 2, "trying again would not help"
    assert run(tmp_path, url, "hook").returncode == 0
    assert reached == []
    assert len(list(tmp_path.glob(".local/state/agent-sessions/spool/*/*.json"))) == 1
