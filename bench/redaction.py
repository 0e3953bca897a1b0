"""What redaction costs on the hot path, and that no input makes it cost more than linear time."""

import time
from collections.abc import Callable
from typing import TypeVar

from app.redaction import redact_document, redact_text

T = TypeVar("T")

KIB = 1024
# Without a sign of something secret no pattern is tried at all.
SIGN = "-----BEGIN "

PROSE = (
    "The build finished in 12.3 s; tests/test_app.py::test_login PASSED [ 12%]\n"
    "Then the parser reads one key after the other, until the token bucket is empty, and says so.\n"
    "warning: unused import `foo` in src/main.rs:12:5, see https://docs.example/foo for details\n"
)
SOURCE = (
    "def get_session(scope: Scope, db: Db, session_id: int) -> Session:\n"
    "    return await one(db, scope.select(Session).where(Session.id == session_id))\n"
    "for key, value in sorted(tokens.items(), key=lambda item: item[1]):\n"
    '    output.push(f"{key}={value}", max_tokens=limit)\n'
)
LOG = (
    '{"level":"info","ts":"2026-11-21T09:24:00Z","id":"018f4a3b-2c1d-7e5f-8a9b-0c1d2e3f4a5b",'
    '"sha":"3f5a9c0d1e2b4a6c8d7e9f0a1b2c3d4e5f6a7b8c","msg":"append","count":12}\n'
)
SECRETIVE = "password=hunter2 token: " + "ab1" * 9 + "\n"

DOCUMENT = {
    "module": "Bash",
    "command": "uv run pytest -q tests/contexts --maxfail=1",
    "status": "ok",
    "exit_code": 0,
    "duration_ms": 1834,
    "cwd": "/home/dev/src/project",
    "stdout": (PROSE + SOURCE)[:560],
    "stderr": LOG,
    "metadata": {"tool_use_id": "toolu_01A09q90qw90lq917835lq9", "max_tokens": 4096},
    "tags": ["tests", "python"],
}

HOSTILE: dict[str, str] = {
    "A": "A",
    "a space": "a ",
    "a@": "a@",
    "eyJ": "eyJ",
    "eyJ.": "eyJaaaaaaaa.",
    "-----BEGIN": "-----BEGIN",
    "PEM headers": "-----BEGIN PRIVATE KEY-----\n",
    "PEM headers and words": "-----BEGIN PRIVATE KEY-----" + "aaaaaaaaaaaaaaa " * 9,
    "-": "-",
    "--a": "--a",
    "--a-": "--a-a",
    "--password": "--password ",
    "https://a:": "https://a:",
    "://": "://",
    "@ at the end": "://a:" + "b" * 90,
    '"': '"',
    "'": "'",
    "\\": "\\",
    '\\"': '\\"',
    'token="': 'token="',
    'token=\\"': 'token=\\"',
    "token=, three quotes": 'token="token=\'token=\\"',
    "token=": "token=",
    "token:": "token:",
    "token: a": "token: a",
    "password=": "password=",
    "PASSWORD=": "PASSWORD=",
    "password=x,": "password=ab1cd,",
    "_token": "_token",
    "key ": "key        ",
    "secret:a =": "secret:a " + "b" * 38,
    "Cookie: a=b": "Cookie: a=b ",
    "authorization:": "authorization: bearer ",
    "bearer ": "bearer ",
    "curl": "curl a ",
    "curl -u": "curl -u a:",
    "as_1-2_": "as_1-2_",
    "sk-ant-": "sk-ant-",
    "sk-": "sk-aaaaaaaaaaaaaa",
    "ghp_": "ghp_aaaaaaaaaaaaaa_",
    "_aaa": "_aaaaaaaaaaaaaaa",
    "SG.": "SG.aaaaaaaaaaaaaaaaa",
    "AKIA": "AKIA",
    "code=": "&code=",
    "marker": "[REDACTED:token]",
    "null byte": "\0",
    "İ": "İ",
    "-u a": " -u aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "words": "tokensecretcookiepasswordapi_key",
    "prefixes": "sk-ghp_npm_hf_glpat-xoxb-",
    "mixed": 'token="eyJ-----BEGIN https://a:\'password: sk-_key --token ghp_\\\\" Cookie: a',
}


def main() -> None:
    print("redaction of what agents send                      us per call")
    texts = {"prose": PROSE, "source": SOURCE, "JSON log": LOG, "full of secrets": SECRETIVE}
    for name, text in texts.items():
        print(f"  1 KiB of {name:<40} {_microseconds(redact_text, (text * KIB)[:KIB]):10.1f}")
    print(f"  40 characters {'':<34} {_microseconds(redact_text, PROSE[:40]):11.1f}")
    print(f"  document of 1 KiB, 10 keys {'':<22} {_microseconds(redact_document, DOCUMENT):10.1f}")

    print("hostile input                        256 KiB, ms     1 MiB, ms   ratio")
    for name, unit in HOSTILE.items():
        quarter, whole = (_milliseconds(unit, size) for size in (KIB * 256, KIB * KIB))
        print(f"  {name:<32} {quarter:13.1f} {whole:13.1f} {whole / quarter:7.1f}")


def _microseconds(redact: Callable[[T], T], value: T, calls: int = 2000, rounds: int = 5) -> float:
    return min(_seconds(redact, value, calls) for _ in range(rounds)) / calls * 1e6


def _milliseconds(unit: str, size: int) -> float:
    text = SIGN + unit * (size // len(unit))
    return min(_seconds(redact_text, text, 1) for _ in range(3)) * 1e3


def _seconds(redact: Callable[[T], T], value: T, calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        redact(value)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
