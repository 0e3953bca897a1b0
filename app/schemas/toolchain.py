"""The layout and the build commands of a project: `settings.toolchain` of a project.

Commands are shell text. Titles and module names reach them as shell variables (see `shell.script`)
and never become part of that text.
"""

import re
from typing import Any

import msgspec

from app.errors import FieldError, Invalid
from app.redaction import redact_text

DEFAULT_PRESET = "elixir"  # component types are those of a Phoenix application
MAX_ENTRY = 2000

_PLACEHOLDERS = {"path": "shop/cart", "folder": "shop/", "name": "cart"}
_CHECK_DESIGN = """\
missing=0
for section in $sections; do
  grep -q "^## $section" "$design_path" || { echo "no section: ## $section"; missing=1; }
done
test "$missing" = 0"""


class Toolchain(msgspec.Struct, frozen=True, kw_only=True):
    """Paths are relative to the repository; `{path}`, `{folder}` and `{name}` in them come from the
    module's name: `Shop.Cart` is `shop/cart`, `shop/` and `cart`."""

    design_path: str = "docs/design/{path}.md"
    code_path: str
    test_path: str
    branch: str = 'git switch "$branch" 2>/dev/null || git switch --create "$branch"'
    setup: str = ""
    check_design: str = _CHECK_DESIGN
    test: str
    integration_test: str
    stage: str = "git add --all"
    commit: str = 'git diff --cached --quiet || git commit --quiet --message "$message"'
    agent: str = "claude -p"
    """Reads its prompt from standard input."""
    agent_continue: str = "claude -p --continue"
    """Continues the conversation that `agent` began."""


PRESETS = {
    "elixir": Toolchain(
        code_path="lib/{path}.ex",
        test_path="test/{path}_test.exs",
        setup="mix deps.get",
        test='mix test "$test_path"',
        integration_test="mix test",
    ),
    "python": Toolchain(
        code_path="{path}.py",
        test_path="tests/{folder}test_{name}.py",
        test='python3 -m pytest "$test_path"',
        integration_test="python3 -m pytest",
    ),
}
_ENTRIES = Toolchain.__struct_fields__


def toolchain_of(settings: dict[str, Any], field: str = "settings.toolchain") -> Toolchain:
    """`value` is the name of a preset, or an object: `preset` and the entries that differ from it.

    Raises Invalid naming every bad entry below `field`.
    """
    given = settings.get("toolchain")
    if given is None:
        return PRESETS[DEFAULT_PRESET]
    if isinstance(given, str):
        given = {"preset": given}
    if not isinstance(given, dict):
        raise Invalid.field(field, "must be the name of a preset or an object")
    entries = {name: value for name, value in given.items() if name != "preset"}
    preset = given.get("preset", DEFAULT_PRESET)
    errors = [
        FieldError(f"{field}.{name}", problem)
        for name, value in entries.items()
        if (problem := _problem(name, value))
    ]
    if not isinstance(preset, str) or preset not in PRESETS:
        path = field if isinstance(settings["toolchain"], str) else f"{field}.preset"
        errors.append(FieldError(path, f"must be one of {', '.join(PRESETS)}"))
    if errors:
        raise Invalid(*errors)
    return msgspec.structs.replace(PRESETS[preset], **_with_continuation(entries))


def _problem(name: str, value: Any) -> str | None:
    if name not in _ENTRIES:
        return f"is not an entry of a toolchain, which are {', '.join(_ENTRIES)}"
    if not isinstance(value, str) or len(value) > MAX_ENTRY or "\0" in value:
        return f"must be text of at most {MAX_ENTRY} characters"
    if redact_text(value) != value:
        return "holds a secret; let the command read it from its environment"
    if not name.endswith("_path"):
        return None if value.strip() or name == "setup" else "must not be empty"
    return _path_problem(value)


def _path_problem(template: str) -> str | None:
    path = fill_path(template, **_PLACEHOLDERS)
    if "{" in path or "}" in path:
        return "may hold the placeholders {path}, {folder} and {name}, and no others"
    parts = path.split("/")
    if not path.strip() or path.startswith(("/", "-")) or ".." in parts or "" in parts:
        return "must be the path of a file, relative to the repository"
    return None


def fill_path(template: str, **parts: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: parts.get(match[1], match[0]), template)


def _with_continuation(entries: dict[str, str]) -> dict[str, str]:
    """Continues a conversation in the agent's own way: Claude Code by a flag, any other agent by a
    new call."""
    agent = entries.get("agent")
    if agent is None or "agent_continue" in entries:
        return entries
    is_claude = agent.split()[0] == "claude"
    return {**entries, "agent_continue": f"{agent} --continue" if is_claude else agent}
