"""What a hook event of any agent comes down to."""

from typing import Any, Literal

import msgspec

from app.schemas.sessions import ResultInput


class Step(msgspec.Struct, kw_only=True):
    """One thing a hook event tells about one interaction.

    `key` is the agent's own name for it (a tool-use id, a prompt id). Without a `result` it begins.
    `settles` tells what a result does to one that is there already: `once` keeps the first,
    `always` takes the newer (a prompt that ends twice), `if_open` is a closure that only a pending
    interaction takes and that any real result replaces. `newest_open`: the agent gives no name, so
    it is the newest pending interaction of the module, and `key` counts only if there is none.
    """

    key: str
    newest_open: bool = False
    module: str
    command: str = ""
    metadata: dict[str, Any] = {}
    result: ResultInput | None = None
    settles: Literal["once", "always", "if_open"] = "once"


class Waiting(msgspec.Struct, kw_only=True):
    """The agent waits for a person."""

    kind: str
    message: str


class Observation(msgspec.Struct, kw_only=True):
    """`external_id` is the agent's own id of the conversation, `ended` why it ended if it did."""

    external_id: str
    agent: Literal["claude_code"] | None
    state: dict[str, Any] = {}
    title: str | None = None
    steps: list[Step] = []
    waiting: Waiting | None = None
    ended: str | None = None
