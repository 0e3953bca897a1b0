"""Which hooks each agent offers, and where it reads them from."""

import os
import shlex
import sys
from pathlib import Path
from typing import Any, NamedTuple

NAME = "agent-sessions"


class Agent(NamedTuple):
    """`home` overrides the `folder` below the user's home; `timeout` is in the agent's own unit."""

    folder: str
    home: str | None
    file: str
    timeout: int
    tools: tuple[str, ...]
    others: tuple[str, ...]


# Never WorktreeCreate: Claude Code takes what such a hook prints for the path of the worktree.
SETTINGS = {
    "claude-code": Agent(
        folder=".claude",
        home="CLAUDE_CONFIG_DIR",
        file="settings.json",
        timeout=2,
        tools=("PreToolUse", "PermissionRequest", "PostToolUse", "PostToolUseFailure"),
        others=tuple(
            "SessionStart Setup UserPromptSubmit PostToolBatch Notification SubagentStart "
            "SubagentStop PreCompact PostCompact CwdChanged Stop StopFailure SessionEnd".split()
        ),
    ),
    "codex": Agent(
        folder=".codex",
        home="CODEX_HOME",
        file="hooks.json",
        timeout=2,
        tools=("PreToolUse", "PermissionRequest", "PostToolUse"),
        others=("SessionStart", "UserPromptSubmit", "PreCompact", "Stop", "SessionEnd"),
    ),
    "gemini": Agent(
        folder=".gemini",
        home=None,
        file="settings.json",
        timeout=2000,
        tools=("BeforeTool", "AfterTool"),
        others=tuple(
            "SessionStart SessionEnd BeforeAgent AfterAgent PreCompress Notification".split()
        ),
    ),
}
AGENTS = (*SETTINGS, "opencode")
# These two take no other kind in Claude Code.
_COMMAND_ONLY = frozenset({"SessionStart", "Setup"})
# Sends one event after the other, and lets OpenCode wait for none of them.
_PLUGIN = """\
// Written by `agent-sessions install-hooks opencode`; `uninstall-hooks` removes it.
let sent = Promise.resolve()

function send(body) {
  const command = COMMAND
  sent = sent
    .then(() => Bun.spawn(command, { stdin: new Blob([JSON.stringify(body)]) }).exited)
    .catch(() => {})
}

export const AgentSessions = async () => ({
  event: async ({ event }) => send(event),
  "chat.message": async (input, output) => send({ input, output }),
  "tool.execute.before": async (input, output) => send({ input, output }),
  "tool.execute.after": async (input, output) => send({ input, output }),
})
"""


def settings_path(agent: str, *, project: bool) -> Path:
    """The file the agent reads, below the current folder or the user's home."""
    if agent == "opencode":
        user = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "opencode"
        return (Path.cwd() / ".opencode" if project else user) / "plugins" / f"{NAME}.js"
    spec = SETTINGS[agent]
    configured = os.environ.get(spec.home) if spec.home else None
    user = Path(configured) if configured else Path.home() / spec.folder
    return (Path.cwd() / spec.folder if project else user) / spec.file


def plugin(*, project: bool) -> str:
    words = [_program(project=project), "hook", "opencode"]
    return _PLUGIN.replace("COMMAND", str(words).replace("'", '"'))


def handlers(agent: str, url: str | None, *, project: bool) -> dict[str, dict[str, Any]]:
    """By event, the group of hooks that belongs there; `url` for http hooks where they may be."""
    spec = SETTINGS[agent]
    command = {
        "type": "command",
        "command": f"{shlex.quote(_program(project=project))} hook {agent}",
        "timeout": spec.timeout,
    }
    http = {
        "type": "http",
        "url": f"{url}/api/hooks/{agent}",
        "headers": {"Authorization": "Bearer $AGENT_SESSIONS_TOKEN"},
        "allowedEnvVars": ["AGENT_SESSIONS_TOKEN"],
        "timeout": spec.timeout,
    }
    groups: dict[str, dict[str, Any]] = {}
    for event in (*spec.others, *spec.tools):
        handler = command if url is None or event in _COMMAND_ONLY else http
        matcher = {"matcher": "*"} if event in spec.tools else {}
        groups[event] = {**matcher, "hooks": [dict(handler)]}
    return groups


def is_ours(handler: Any, agent: str) -> bool:
    if not isinstance(handler, dict):
        return False
    if handler.get("type") == "http":
        return str(handler.get("url", "")).endswith(f"/api/hooks/{agent}")
    try:
        words = shlex.split(str(handler.get("command", "")))
    except ValueError:
        return False
    return len(words) == 3 and Path(words[0]).name == NAME and words[1:] == ["hook", agent]


def _program(*, project: bool) -> str:
    """A project's settings are shared: there the name must do for everybody's PATH."""
    beside = Path(sys.executable).parent / NAME
    return NAME if project or not beside.exists() else str(beside)
