"""Hook events of any agent, translated into one form."""

import datetime
from typing import Any, Literal

import msgspec

from app.schemas.base import Output
from app.schemas.sessions import ResultInput

# Modules of interactions in which a person, or a background task, told the agent something.
PROMPTS = frozenset({"UserPrompt", "TaskNotification"})


class Step(msgspec.Struct, kw_only=True):
    """One thing a hook event tells about one interaction. Without a `result` it is a beginning.

    `key` is the agent's own id of the interaction (of a tool use or a prompt) while `finds` is
    `named`. For agents without ids it is the event's own key, and the interaction is found among
    the open ones: the `newest` of the same module, or the oldest of the `same` module, command and
    input. The interaction then answers to the event's key as well, so a replay changes nothing.
    With `repeats`, different events may share a key, so open interactions come first.

    `settles` decides between a result and an earlier one: `once` keeps the first, `always` takes
    the newer (a prompt that ends twice), `if_open` closes only a pending interaction and gives way
    to any real result. `creates` is False for an end that is worth nothing without its beginning.
    `at` is the time by the agent's clock, where the event tells it.
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
    """`stored` counts events of sessions that the token may write to, whether new or known."""

    received: int
    stored: int
