"""Malformed hook events: recorded ones, altered at random."""

import copy
import json
import random
from collections.abc import Callable
from typing import Any, NamedTuple

from tests.api.hooks.recordings import HOOKS, Event
from tests.conftest import hook_stream

AGENTS = ("claude-code", "codex", "gemini", "opencode")
STREAMS = {"claude-code": ["claude-code-simple", "claude-code-interactive-permission"]}
STREAMS["codex"] = ["codex"]
_SESSION_KEYS = frozenset({"session_id", "thread-id", "sessionID"})
_CALL_KEYS = frozenset({"tool_use_id", "callID", "prompt_id", "turn_id", "messageID"})
_ENDINGS = [b"", b"]", b"}", b"\x00", b"\xff\xfe", b'"\\', b"NaN", b"1e999", b"/*"]
# Rare, because they cost much: more than a field may have, more than a body may have.
_LONG, _TOO_LONG = 300 * 1024, 9 * 1024 * 1024

LEAVES: list[Any] = [
    *(None, True, False, 0, -1, 2**31, 2**53 + 1, 2**63 - 1, -(2**63)),
    *(0.1, -0.0, 1e22, 1e30, 1.7e308, 5e-324, 123456789.123456789),
    *("", " ", "\n", "\x00", "a\x00b", "\x1b[31m", "\u2028", "\ufeff", "😀" * 50, "e\u0301"),
    *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999-14:00", "2026-02-30T00:00:00Z"),
    *("2026-11-21T08:05:00.123456789Z", "2026-11-21", "Exit code 99999999999", "Exit code -1"),
    *("x" * 199, "x" * 201, "x" * 3_000, "y" * 17_000, "\\u0000", "\\", "%00", "../../etc/passwd"),
    *([], {}, [[]], [{}], {"": ""}, ["a", 1, None], {"a": {"b": {"c": []}}}, {"\x00": "\x00"}),
    *("SessionStart", "SessionEnd", "Stop", "PreToolUse", "PostToolUse", "PostToolBatch"),
    *("AfterTool", "BeforeTool", "session.idle", "session.deleted", "<task-notification>"),
    *("AKIA" + "IOSFODNN7" + "EXAMPLE", "password=hunter2hunter2", {"password": [1, {"a": 2}]}),
]
KEYS = ["", "id", "event", "agent", "ended", "\x00", "__proto__", "k" * 5_000, "é", "began_at"]


class Case(NamedTuple):
    """`accepted`: True when nothing but a success will do, None when a 4xx is as good."""

    path: str
    body: bytes
    accepted: bool | None


class Mutator:
    """Makes the same cases for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._corpus = {agent: _recorded(agent) for agent in AGENTS}
        self._sent: list[tuple[str, Event]] = []
        self._count = 0

    def case(self) -> Case:
        self._count += 1
        agent, event = self._event()
        if self._chance(0.05):
            batch = [event, *(self._event(agent)[1] for _ in range(self._random.randrange(12)))]
            return self._encoded(f"/api/hooks/{agent}/import", batch)
        return self._encoded(f"/api/hooks/{agent}", event)

    def _event(self, agent: str | None = None) -> tuple[str, Event]:
        if self._sent and self._chance(0.1):
            sent_by, event = self._random.choice(self._sent)
            return agent or sent_by, event
        agent = agent or self._random.choice(AGENTS)
        source = self._random.choice(AGENTS) if self._chance(0.08) else agent
        event = json.loads(self._random.choice(self._corpus[source]))
        self._rename(event)
        for _ in range(self._random.choice([0, 1, 1, 2, 3, 6])):
            if len(json.dumps(event)) < _LONG:  # copies of copies would take all memory
                self._random.choice(MUTATIONS)(self._random, event)
        if self._chance(0.5):
            self._rename(event)
        if len(json.dumps(event)) < _LONG:
            self._sent = [*self._sent[-200:], (agent, event)]
        return agent, event

    def _rename(self, event: Event) -> None:
        """Uses one of a few sessions, which change slowly, and of a few calls in each."""
        session = f"fuzzed-{self._count // 60 + self._random.randrange(6)}"
        for container, key in _places(event):
            if key in _SESSION_KEYS:
                container[key] = session
            elif key in _CALL_KEYS and self._chance(0.7):
                container[key] = f"call-{self._random.randrange(8)}"

    def _encoded(self, path: str, document: Any) -> Case:
        body = json.dumps(document, ensure_ascii=self._chance(0.5)).encode()
        if self._chance(0.06):
            return Case(path, self._damaged(body), None)
        if self._chance(0.02):
            return Case(path, body, _accepted(document)) if self._chance(0.5) else self._deep(path)
        return Case(path, body, _accepted(document))

    def _damaged(self, body: bytes) -> bytes:
        position = self._random.randrange(len(body))
        match self._random.randrange(5):
            case 0:
                return body[:position] + self._random.choice(_ENDINGS)
            case 1:
                return body[:position] + self._random.randbytes(3) + body[position + 1 :]
            case 2:
                return body.replace(b'": "', b'": "\\ud800', 1)
            case 3:
                return body.replace(b'": "', b'": "\\u0000\\udc00\\\\u0000', 2)
            case _:
                number = self._random.choice([b"1" * 40, b"1e400", b"-", b"18446744073709551616"])
                return b'{"session_id": "fuzzed-0", "n": ' + number + b"," + body[1:]

    def _deep(self, path: str) -> Case:
        depth = self._random.choice([20, 60, 62, 63, 64, 65, 200, 100_000])
        opening, closing = self._random.choice([(b"[", b"]"), (b'{"a":', b"}")])
        nested = opening * depth + b"1" + closing * depth
        event = b'{"session_id": "fuzzed-0", "hook_event_name": "Odd", "deep": ' + nested + b"}"
        return Case(path, event, None)

    def _chance(self, probability: float) -> bool:
        return self._random.random() < probability


Mutation = Callable[[random.Random, Event], None]


def drop(chance: random.Random, event: Event) -> None:
    container, key = _any_place(chance, event)
    del container[key]


def replace(chance: random.Random, event: Event) -> None:
    container, key = _any_place(chance, event)
    container[key] = copy.deepcopy(chance.choice(LEAVES))


def replace_at_the_top(chance: random.Random, event: Event) -> None:
    if event:
        event[chance.choice(list(event))] = copy.deepcopy(chance.choice(LEAVES))


def swap(chance: random.Random, event: Event) -> None:
    """Copies the value, so that no document comes to contain itself."""
    (first, one), (second, other) = _any_place(chance, event), _any_place(chance, event)
    first[one], second[other] = copy.deepcopy(second[other]), copy.deepcopy(first[one])


def repeat(chance: random.Random, event: Event) -> None:
    container, key = _any_place(chance, event)
    times = chance.choice([1, 2, 60])
    container[key] = [copy.deepcopy(container[key]) for _ in range(times)]


def rename(chance: random.Random, event: Event) -> None:
    container, key = _any_place(chance, event)
    if isinstance(container, dict):
        container[chance.choice(KEYS)] = container.pop(key)


def wrap(chance: random.Random, event: Event) -> None:
    container, key = _any_place(chance, event)
    for _ in range(chance.choice([1, 3, 30])):
        container[key] = {"in": container[key]} if chance.random() < 0.5 else [container[key]]


def lengthen(chance: random.Random, event: Event) -> None:
    container, key = _any_place(chance, event)
    length = chance.choices([5_000, _LONG, _TOO_LONG], [100, 10, 1])[0]
    container[key] = chance.choice(["a", "é", "\n", "=", "_", "-----BEGIN "]) * length


MUTATIONS: list[Mutation] = [drop, replace, replace, replace_at_the_top, swap, repeat, rename, wrap]
MUTATIONS += [*MUTATIONS, *MUTATIONS, lengthen]


def _recorded(agent: str) -> list[str]:
    events = [path.read_text() for path in sorted((HOOKS / agent).glob("*.json"))]
    events += [json.dumps(e) for name in STREAMS.get(agent, []) for e in hook_stream(name)]
    return events


def _any_place(chance: random.Random, event: Event) -> tuple[Any, Any]:
    return chance.choice(_places(event) or [({"": None}, "")])


def _places(event: Event) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    pending: list[Any] = [event]
    while pending:
        container = pending.pop()
        keys = container if isinstance(container, dict) else range(len(container))
        for key in keys:
            found.append((container, key))
            if isinstance(container[key], dict | list):
                pending.append(container[key])
    return found


def _accepted(document: Any) -> bool | None:
    """True for any JSON object of bearable depth and size: it must never be refused."""
    pending, depth, size = [document], 0, 0
    while pending and depth <= 60:
        size += sum(len(value) for value in pending if isinstance(value, str))
        below = [
            v.values() if isinstance(v, dict) else v for v in pending if isinstance(v, dict | list)
        ]
        pending = [value for values in below for value in values]
        depth += 1
    return True if not pending and size < 2 * _LONG else None
