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

    `key` is the agent's own id of the interaction (of a tool use or a prompt). An id alone does not
    identify: agents use one again for other content, so an interaction is its key and its content.
    An end belongs to the open interactions of its key: to the one with its content, else the
    newest, or with `ends_all` to all of them.

    Agents without ids leave `key` out. An end is then matched with the open interactions: with the
    `newest` of the same module, or the oldest of the `same` content.

    `settles` decides between a result and an earlier one: `once` keeps the first, `always` takes
    the newer (a prompt that ends twice), `if_open` closes only a pending interaction and gives way
    to any real result, `corrects` replaces a result that is ok but has no exit code: a transcript
    knows what the hook of an agent could not. `creates` is False for a step that is worth nothing
    without an interaction that exists. `at` is the time by the agent's clock, where the event tells
    it.
    """

    key: str | None = None
    finds: Literal["newest", "same"] = "same"
    ends_all: bool = False
    module: str
    command: str = ""
    metadata: dict[str, Any] = {}
    result: ResultInput | None = None
    settles: Literal["once", "always", "if_open", "corrects"] = "once"
    creates: bool = True
    at: datetime.datetime | None = None
    replay: str | None = None
    """Identifies the event itself, so that sent again it changes nothing."""
    exact: bool = False
    """Whether no other event has this `replay`; else open interactions come before it."""


class Closing(msgspec.Struct, kw_only=True):
    """Closes interactions that an event leaves open for good: they get no result of their own.

    `agent_id` is the subagent they belong to, None for the main agent; with `everyone` they belong
    to any. `prompt` spares those of other prompts, `spared_prompt` those of this one. With `if_new`
    it takes effect only if the step before it began an interaction, which it spares. A real result
    that arrives later replaces the closure.
    """

    reason: str
    status: Literal["warning", "error"] = "warning"
    everyone: bool = False
    agent_id: str | None = None
    prompts: bool = True
    prompt: str | None = None
    spared_prompt: str | None = None
    if_new: bool = False


class Waiting(msgspec.Struct, kw_only=True):
    """The agent waits for a person. `call` identifies the tool call it waits with, if any."""

    kind: str
    message: str
    call: str | None = None


class Observation(msgspec.Struct, kw_only=True):
    """What one event tells about its session.

    `external_id` is the agent's own id of the conversation, `client` the program that sent the
    event, `ended` why the session ended if it did. `begins` marks events that can reopen an ended
    session. `agent_id` is the subagent that acted, None for the main agent. `turn` marks the ends
    and beginnings of the main agent's turns, and `calls` those that an event completes: they end a
    wait.
    """

    external_id: str
    agent: Literal["claude_code"] | None
    client: str | None = None
    parent_external_id: str | None = None
    state: dict[str, Any] = {}
    title: str | None = None
    steps: list[Step | Closing] = []
    waiting: Waiting | None = None
    ended: str | None = None
    begins: bool = False
    agent_id: str | None = None
    turn: bool = False
    calls: list[str] = []


class ImportSummary(Output):
    """`stored` counts events of sessions that the token may write to, whether new or known."""

    received: int
    stored: int
