"""One client that costs little itself, for what is timed request by request."""

import http.client

from bench.processes import Target


class Caller:
    """One connection. Raises RuntimeError for whatever is no 2xx."""

    def __init__(self, target: Target) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", target.port)
        self._headers = {
            "Authorization": f"Bearer {target.token}",
            "Content-Type": "application/json",
        }

    def post(self, path: str, body: bytes = b"") -> bytes:
        self._connection.request("POST", path, body, self._headers)
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status >= http.HTTPStatus.MULTIPLE_CHOICES:
            raise RuntimeError(f"{answer.status} to {path}: {content.decode()}")
        return content

    def close(self) -> None:
        self._connection.close()
