"""The HTTP client of the commands that talk to a server."""

import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import click

from app.cli.connection import Connection, Unreachable, is_certificate_error
from app.cli.credentials import Credentials, load_credentials
from app.cli.output import complain
from app.cli.responses import Garbled, Response
from app.cli.route import Unusable

TIMEOUT_SECONDS = 30.0
RETRY_SECONDS = 0.5
LONGEST_RETRY_SECONDS = 30.0


class Refused(click.ClickException):
    """The server said no."""

    exit_code = 1


class NoAnswer(click.ClickException):
    """The server could not be asked, or did not answer."""

    exit_code = 2


class Document(dict[str, Any]):
    """A JSON object of the server. A field that is not there is the fault of what answered."""

    def __missing__(self, name: str) -> Any:
        raise Refused(f"the answer has no field `{name}`: is this an agent-sessions server?")


class Answer:
    """A whole response."""

    def __init__(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.status = status
        self.headers = headers
        self.content = content
        self.is_success = 200 <= status < 300

    def json(self) -> Any:
        """Raises Refused for what is not JSON."""
        try:
            return json.loads(self.content, object_hook=Document)
        except (ValueError, RecursionError):
            raise Refused(
                f"the server answered {self.status} without JSON: is this an agent-sessions server?"
            ) from None

    @property
    def code(self) -> str | None:
        """The stable code of a problem; None for an answer that is none of ours."""
        try:
            return str(json.loads(self.content)["code"])
        except (ValueError, KeyError, TypeError):
            return None

    @property
    def reason(self) -> str:
        """Why the server said no, in its own words if it found any."""
        try:
            problem = json.loads(self.content)
            detail = str(problem["detail"])
            fields = ", ".join(f"{e['path']}: {e['message']}" for e in problem.get("errors", ()))
        except (ValueError, KeyError, TypeError, AttributeError):
            return f"the server answered {self.status}"
        return f"{detail} ({fields})" if fields else detail

    @property
    def is_for_later(self) -> bool:
        """A 502 of our own is final; any other comes from a proxy whose server is away."""
        if self.status == 502:
            return self.code is None
        return self.status in {429, 503, 504}


def require_credentials() -> Credentials:
    """Raises UsageError without a token, and for one that no header can carry."""
    credentials = load_credentials()
    if credentials is None:
        raise click.UsageError("no token: set AGENT_SESSIONS_TOKEN or run `agent-sessions login`")
    require_sendable(
        credentials, "AGENT_SESSIONS_TOKEN, or the token `agent-sessions login` saved,"
    )
    return credentials


def require_sendable(credentials: Credentials, origin: str) -> None:
    """Raises UsageError for a token that no header can carry."""
    if not credentials.is_sendable():
        raise click.UsageError(f"{origin} is not a valid token: unexpected characters")


def request(
    method: str, path: str, *, params: dict[str, Any] | None = None, json: Any = None
) -> Any:
    """Returns the decoded answer, None for an empty one. Raises Refused for a 4xx or 5xx and for
    an answer that is not JSON, NoAnswer when there is none, UsageError without a token."""
    answer = send(require_credentials(), method, _with_query(path, params), _encoded(json))
    if not answer.is_success:
        raise Refused(answer.reason)
    return None if answer.status == 204 else answer.json()


def request_text(path: str) -> str:
    """Returns a document that is not JSON. Raises as `request` does."""
    answer = send(require_credentials(), "GET", path)
    if not answer.is_success:
        raise Refused(answer.reason)
    return answer.content.decode(errors="replace")


def post_patiently(path: str, *, json: Any = None, content: bytes | None = None) -> Answer:
    """Returns the answer, whatever it is; waits while the server is away or busy. Raises NoAnswer
    when waiting cannot help."""
    delay = RETRY_SECONDS
    while True:
        try:
            answer = send(
                require_credentials(), "POST", path, _encoded(json) if content is None else content
            )
        except NoAnswer as error:
            if not is_temporary(error):
                raise
            problem, wait = error.message, delay
        else:
            if not answer.is_for_later:
                return answer
            asked = answer.headers.get("retry-after", "")
            problem, wait = answer.reason, float(asked) if asked.isdecimal() else delay
        complain(f"{problem}; trying again in {wait:g} s")
        time.sleep(wait)
        delay = min(2 * delay, LONGEST_RETRY_SECONDS)


def is_temporary(error: NoAnswer) -> bool:
    """Whether the same request may succeed later."""
    cause = error.__cause__
    return not (isinstance(cause, Unusable) or is_certificate_error(cause))


def send(credentials: Credentials, method: str, path: str, body: bytes | None = None) -> Answer:
    """Raises NoAnswer when the server cannot be asked."""
    try:
        connection = Connection(credentials.url, credentials.token, TIMEOUT_SECONDS)
        try:
            headers = "" if body is None else "Content-Type: application/json\r\n"
            response = connection.send(method, path, body, headers)
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()
    except OSError as error:
        raise no_answer(error) from error


def stream(
    credentials: Credentials, path: str, params: dict[str, Any], silence: float
) -> tuple[Answer, Iterator[bytes]]:
    """Returns the answer and the lines that follow it when it is a success, each as it arrives.
    Raises NoAnswer, also when `silence` seconds pass without a byte."""
    try:
        connection = Connection(credentials.url, credentials.token, TIMEOUT_SECONDS)
        connection.reading_timeout = silence
        response = connection.send(
            "GET", _with_query(path, params), headers="Accept: text/event-stream\r\n"
        )
        is_success = 200 <= response.status < 300
        content = b"" if is_success else response.read()
    except OSError as error:
        raise no_answer(error) from error
    return Answer(response.status, response.headers, content), _lines(connection, response)


def no_answer(error: OSError) -> NoAnswer:
    why = error.strerror or str(error) or type(error).__name__
    speaks_for_itself = isinstance(error, (Unreachable, Unusable, Garbled))
    return NoAnswer(why if speaks_for_itself else f"no answer from the server: {why}")


def _lines(connection: Connection, response: Response) -> Iterator[bytes]:
    """Lines as server-sent events have them: ended by CR, LF or both, and by nothing else."""
    rest = b""
    try:
        for chunk in response.chunks():
            # A CR at the end may be half of a line's end.
            rest += chunk
            ready, rest = (rest[:-1], b"\r") if rest.endswith(b"\r") else (rest, b"")
            *lines, last = ready.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
            rest = last + rest
            yield from lines
    except OSError as error:
        raise no_answer(error) from error
    finally:
        connection.close()


def _with_query(path: str, params: dict[str, Any] | None) -> str:
    return f"{path}?{urlencode(params, doseq=True)}" if params else path


def _encoded(value: Any) -> bytes | None:
    return None if value is None else json.dumps(value).encode()
