"""What a hook event of any agent comes down to."""

import datetime
from typing import Any, Literal

import msgspec

from app.schemas.base import Output
from app.schemas.sessions import ResultInput

# What a human, or a background task of the agent, told it.
PROMPTS = frozenset({"UserPrompt", "TaskNotification"})


class Step(msgspec.Struct, kw_only=True):
    """One thing a hook event tells about one interaction. Without a `result` it begins.

    `key` is the agent's own name for the interaction (a tool-use id, a prompt id) as long as
    `finds` is `named`. Agents that name nothing give the event's own key instead, and the
    interaction is found by what is still open: the `newest` of the same module, or the oldest of
    the `same` module, command and input. It then answers to the event's key as well, so that a
    replay changes nothing. `repeats`: two different events may have the same key, so what is open
    comes first.

    `settles` tells what a result does to one that is there already: `once` keeps the first,
    `always` takes the newer (a prompt that ends twice), `if_open` is a closure that only a pending
    interaction takes and that any real result replaces. `creates`: False when an end that nothing
    began tells nothing. `at` is when it happened by the agent's clock, where the event tells.
    """

    key: str
    finds: Literal["named", "newest", "same"] = "named"
    repeats: bool = False
    module: str
    command: str = ""
    metadata: dict[str, Any] = {}
    result: ResultInput | None = None
    settles: Literal["once", "always", "if_open"] = "once"
    creates: bool = True
    at: datetime.datetime | None = None


class Waiting(msgspec.Struct, kw_only=True):
    """The agent waits for a person."""

    kind: str
    message: str


class Observation(msgspec.Struct, kw_only=True):
    """`external_id` is the agent's own id of the conversation, `client` the program that sent the
    event, `ended` why the session ended if it did."""

    external_id: str
    agent: Literal["claude_code"] | None
    client: str | None = None
    state: dict[str, Any] = {}
    title: str | None = None
    steps: list[Step] = []
    waiting: Waiting | None = None
    ended: str | None = None


class ImportSummary(Output):
    """`stored` counts what belongs to a session the token may write to, known before or not."""

    received: int
    stored: int
