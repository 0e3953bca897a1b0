"""The hooks each agent offers, the file it reads them from, and the command they run."""

import json
import os
import shlex
import sys
from pathlib import Path
from typing import Any, NamedTuple

NAME = "agent-sessions"
_QUICK = ["-EP", "-c", "from app.__main__ import main; main()"]


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
# Claude Code takes only command hooks for these two.
_COMMAND_ONLY = frozenset({"SessionStart", "Setup"})
# Sends the events one after the other; OpenCode waits for none of them. Runs on Bun and on Node.js.
_PLUGIN = """\
// Written by `agent-sessions install-hooks opencode`; `uninstall-hooks` removes it.
import { spawn } from "node:child_process"

const [program, ...words] = COMMAND
let sent = Promise.resolve()

function send(body) {
  const event = JSON.stringify(body)
  sent = sent.then(() => new Promise((resolve) => {
    const hook = spawn(program, words, { stdio: ["pipe", "ignore", "ignore"] })
    hook.on("error", resolve)
    hook.on("close", resolve)
    hook.stdin.on("error", () => {})
    hook.stdin.end(event)
  }))
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
    words = [*_program(project=project), "hook", "opencode"]
    return _PLUGIN.replace("COMMAND", json.dumps(words))


def handlers(agent: str, url: str | None, *, project: bool) -> dict[str, dict[str, Any]]:
    """The group of hooks for each event. With a `url` they are http hooks where the agent allows
    them."""
    spec = SETTINGS[agent]
    command = {
        "type": "command",
        "command": f"{_command(_program(project=project))} hook {agent}",
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
    """Whether a hook was written by `install-hooks`, of this version or an older one."""
    if not isinstance(handler, dict):
        return False
    if handler.get("type") == "http":
        return str(handler.get("url", "")).endswith(f"/api/hooks/{agent}")
    try:
        words = shlex.split(str(handler.get("command", "")))
    except ValueError:
        return False
    if words[-2:] != ["hook", agent]:
        return False
    program = words[:-2]
    return program[1:] == _QUICK or (len(program) == 1 and Path(program[0]).name == NAME)


def _program(*, project: bool) -> list[str]:
    """A project's settings are shared, so they hold a name that each member has on the PATH.

    For one user it is this Python, because installed scripts import `re`, which takes as long as
    Python's own start. -E and -P keep the agent's PYTHONPATH and working folder out. Should this
    installation go away, Python exits with 1, which blocks no agent; the path of a script would
    make it 2, which Claude Code takes for a refusal.
    """
    is_installed = (Path(sys.executable).parent / NAME).exists()
    return [NAME] if project or not is_installed else [sys.executable, *_QUICK]


def _command(words: list[str]) -> str:
    """For sh, cmd and PowerShell alike: double quotes, where there is nothing to expand."""
    program, *rest = words
    quoted = [f'"{word}"' if " " in word else word for word in rest]
    return " ".join([shlex.quote(program), *quoted])
