"""Just enough of PostgreSQL's protocol to learn, without a driver, that a server is ready."""

import socket
import struct
from pathlib import Path
from typing import BinaryIO, NamedTuple

from app.embedded.home import SOCKET_NAME

SUPERUSER = "postgres"
PROTOCOL_3_0 = 196608
ANSWER_SECONDS = 30.0

SUCCESS = "00000"
STARTING_OR_STOPPING = "57P03"
NO_SUCH_DATABASE = "3D000"


class Answer(NamedTuple):
    state: str  # an SQLSTATE, empty when there is no answer
    message: str


def ask(socket_folder: Path, database: str, statement: str = "") -> Answer:
    """Connects, runs the statement if there is one, and disconnects."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(ANSWER_SECONDS)
            connection.connect(str(socket_folder / SOCKET_NAME))
            with connection.makefile("rb") as answers:
                greeting = f"user\0{SUPERUSER}\0database\0{database}\0\0".encode()
                connection.sendall(struct.pack("!ii", len(greeting) + 8, PROTOCOL_3_0) + greeting)
                answer = _read_until_ready(answers)
                if statement and answer.state == SUCCESS:
                    query = statement.encode() + b"\0"
                    connection.sendall(b"Q" + struct.pack("!i", len(query) + 4) + query)
                    answer = _read_until_ready(answers)
                return answer
    except (OSError, EOFError) as error:
        return Answer("", f"no answer: {error}")


def _read_until_ready(answers: BinaryIO) -> Answer:
    while True:
        kind, size = struct.unpack("!ci", _read(answers, 5))
        body = _read(answers, size - 4)
        if kind == b"Z":
            return Answer(SUCCESS, "")
        if kind == b"E":
            fields = {field[:1]: field[1:].decode(errors="replace") for field in body.split(b"\0")}
            return Answer(fields[b"C"], fields[b"M"])


def _read(answers: BinaryIO, size: int) -> bytes:
    content = answers.read(size)
    if len(content) < size:
        raise EOFError("the server hung up")
    return content
