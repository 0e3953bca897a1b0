"""A running server that logs all it can never logs what clients sent."""

from pathlib import Path

import httpx
import pytest

from tests.servers import start_server, stop_server

WORD = "SenSitiVe"


@pytest.mark.parametrize("level", ["debug", "info"])
def test_logs_do_not_contain_what_a_client_sent(tmp_path: Path, level: str) -> None:
    server = start_server(tmp_path, AGENT_SESSIONS_LOG_LEVEL=level)
    try:
        headers = {
            "Authorization": f"Bearer {server.token}",
            "Cookie": f"a={WORD}",
            "User-Agent": WORD,
            "Idempotency-Key": WORD,
            "X-Agent-Hostname": WORD,
            "X-Unknown": WORD,
        }
        with httpx.Client(base_url=server.url, headers=headers) as client:
            project = {"name": WORD, "slug": WORD.lower()}
            assert client.post("/api/projects", json=project).status_code == 201
            session = {"type": "RecordedSessions", "external_id": WORD, "state": {WORD: WORD}}
            del client.headers["Idempotency-Key"]
            created = client.post("/api/sessions", json=session)
            assert created.status_code == 201
            path = f"/api/sessions/{created.json()['id']}"
            statuses = [
                client.post("/api/sessions", json=session).status_code,
                client.post("/api/sessions", json={**session, "type": WORD}).status_code,
                client.post("/api/sessions", content=f'{{"{WORD}').status_code,
                client.post(
                    f"{path}/interactions", json=[{"command": {"module": WORD}}]
                ).status_code,
                client.get(path, headers={"X-Project": WORD}).status_code,
                client.get(f"/api/sessions?q={WORD}&cursor={WORD}").status_code,
                client.get(f"/api/{WORD}/{WORD}").status_code,
                client.get(f"/api/agents/{WORD}").status_code,
                client.get("/api/me", headers={"Authorization": f"Bearer {WORD}"}).status_code,
                client.post(
                    "/api/hooks/claude-code",
                    json={"session_id": WORD, "hook_event_name": WORD, "prompt": WORD},
                ).status_code,
            ]
            assert statuses == [409, 422, 400, 201, 404, 422, 404, 404, 401, 204]
    finally:
        stop_server(server)
    log = (tmp_path / "server.log").read_text()
    assert log.count('"event": "request"') >= 10
    logs = {path.name: path.read_text() for path in server.data_dir.glob("postgres/*.log")}
    # Once, when there was no account yet, for whoever starts the server.
    logs["server"] = log.replace(server.token, "", 1)
    for name, text in logs.items():
        assert WORD.lower() not in text.lower(), name
        assert server.token not in text, name
        assert server.token.split("_", 2)[2] not in text, name
