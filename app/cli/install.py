"""`install-hooks` and `uninstall-hooks`: change an agent's settings and nothing else in them."""

import copy
import ipaddress
from typing import Any
from urllib.parse import urlsplit

import click

from app.cli.agent_hooks import AGENTS, handlers, is_ours, plugin, settings_path
from app.cli.credentials import DEFAULT_URL, load_credentials
from app.cli.output import json_option, print_json
from app.cli.settings_file import SettingsFile, Unreadable

_agent = click.argument("agent", type=click.Choice(AGENTS))
_where = click.option(
    "--project/--user",
    default=False,
    help="Change this folder's settings, or yours (default).",
)


@click.command("install-hooks")
@_agent
@_where
@click.option(
    "--http", is_flag=True, help="Claude Code posts by itself, to a server on this machine."
)
@click.option("--print", "prints", is_flag=True, help="Print the settings to add; change nothing.")
@json_option
def install_hooks(agent: str, *, project: bool, http: bool, prints: bool, as_json: bool) -> None:
    """Install hooks that post AGENT's events. Other settings and hooks stay as they are."""
    url = _loopback_url(agent) if http else None
    if prints:
        _print(agent, url, project=project)
        return
    file = SettingsFile(settings_path(agent, project=project))
    if agent == "opencode":
        after = plugin(project=project).encode()
        fresh = file.before is None
    else:
        before = file.document()
        merged = _with_ours(before, agent, handlers(agent, url, project=project))
        fresh = _without_ours(before, agent) == before
        after = (file.before or b"") if merged == before else file.rendered(merged)
    changed = after != file.before
    if changed:
        file.write(after, fresh=fresh)
    _tell(agent, file, "installed in" if changed else "already in", changed, as_json=as_json)


@click.command("uninstall-hooks")
@_agent
@_where
@json_option
def uninstall_hooks(agent: str, *, project: bool, as_json: bool) -> None:
    """Remove the hooks of install-hooks. A file not edited since gets its old content back."""
    file = SettingsFile(settings_path(agent, project=project))
    changed = file.before is not None and (file.restore() or _remove(agent, file))
    _tell(agent, file, "removed from" if changed else "not in", changed, as_json=as_json)


def installed(agent: str, *, project: bool) -> bool:
    """Whether the agent has our hooks. Raises Unreadable for settings that cannot be read."""
    file = SettingsFile(settings_path(agent, project=project))
    if agent == "opencode":
        return file.before is not None
    document = file.document()
    return _without_ours(document, agent) != document


def _print(agent: str, url: str | None, *, project: bool) -> None:
    if agent == "opencode":
        click.echo(plugin(project=project), nl=False)
    else:
        print_json({"hooks": handlers(agent, url, project=project)})


def _tell(agent: str, file: SettingsFile, what: str, changed: bool, *, as_json: bool) -> None:
    if as_json:
        print_json({"agent": agent, "path": str(file.path), "changed": changed})
    else:
        click.echo(f"Hooks of {agent} {what} {file.path}")


def _loopback_url(agent: str) -> str:
    if agent != "claude-code":
        raise click.UsageError(f"--http: {agent} has only command hooks")
    credentials = load_credentials()
    url = DEFAULT_URL if credentials is None else credentials.url
    host = urlsplit(url).hostname or ""
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise click.UsageError(f"--http: {url} is not on this machine, and agents refuse others")
    return url


def _remove(agent: str, file: SettingsFile) -> bool:
    """Removes our hooks from a file that was edited since they were installed."""
    if agent == "opencode":
        raise Unreadable(f"{file.path} was edited since it was installed; remove it by hand")
    before = file.document()
    after = _without_ours(before, agent)
    if after == before:
        return False
    file.write_edited(file.rendered(after))
    return True


def _with_ours(
    before: dict[str, Any], agent: str, groups: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    after = copy.deepcopy(before)
    for event, group in groups.items():
        existing = _groups(after, event)
        if not _replaced(existing, agent, group["hooks"][0]):
            existing.append(group)
            after.setdefault("hooks", {})[event] = existing
    return after


def _replaced(existing: list[Any], agent: str, handler: dict[str, Any]) -> bool:
    """Replaces our hook, perhaps of another version, where it stands. False when there is none."""
    for group in existing:
        hooks = _handlers(group)
        for index, old in enumerate(hooks):
            if is_ours(old, agent):
                hooks[index] = handler
                return True
    return False


def _groups(document: dict[str, Any], event: str) -> list[Any]:
    hooks = document.get("hooks", {})
    if not isinstance(hooks, dict):
        raise Unreadable("`hooks` in the settings is not a JSON object; nothing was changed")
    groups = hooks.get(event, [])
    if not isinstance(groups, list):
        raise Unreadable(f"`hooks.{event}` in the settings is not a list; nothing was changed")
    return groups


def _without_ours(before: dict[str, Any], agent: str) -> dict[str, Any]:
    after: dict[str, Any] = copy.deepcopy(before)
    hooks = after.get("hooks")
    if not isinstance(hooks, dict):
        return after
    for event in list(hooks):
        groups = _groups(after, event)
        kept = [group for group in groups if not _is_only_ours(group, agent)]
        for group in kept:
            hooks_of = _handlers(group)
            hooks_of[:] = [handler for handler in hooks_of if not is_ours(handler, agent)]
        hooks[event] = kept
        if groups and not kept:
            del hooks[event]
    if not hooks and before["hooks"]:
        del after["hooks"]
    return after


def _handlers(group: Any) -> list[Any]:
    found = group.get("hooks") if isinstance(group, dict) else None
    return found if isinstance(found, list) else []


def _is_only_ours(group: Any, agent: str) -> bool:
    found = _handlers(group)
    return bool(found) and all(is_ours(handler, agent) for handler in found)
