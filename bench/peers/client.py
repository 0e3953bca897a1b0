"""The smallest HTTP client: one connection, JSON in and out, standard library only."""

import json
import time
from http.client import HTTPConnection
from typing import Any

IDLE_SECONDS = 2.0  # servers close what has been idle for five


class Client:
    def __init__(self, port: int, token: str | None = None) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=120)
        self._headers = {"Content-Type": "application/json"}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"
        self._used = 0.0

    def send(self, method: str, path: str, body: Any = None) -> Any:
        """The decoded answer. Raises RuntimeError for whatever is no 2xx."""
        if time.monotonic() - self._used > IDLE_SECONDS:
            self._connection.close()
        content = None if body is None else json.dumps(body).encode()
        self._connection.request(method, path, content, self._headers)
        response = self._connection.getresponse()
        answer = response.read()
        self._used = time.monotonic()
        if response.status >= 300:
            raise RuntimeError(f"{method} {path}: {response.status} {answer.decode()}")
        return json.loads(answer)
