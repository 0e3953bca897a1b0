"""Who else on the machine may read or change what we write, under the most careless umask."""

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.cli.kept_results import KeptResult
from tests.conftest import hook_stream
from tests.servers import Server, start_server, stop_server


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def open_to_others(folder: Path, *, allowed: int = 0) -> dict[str, str]:
    """What anybody but its owner may do anything with. A socket is guarded by its folder."""
    found = {}
    for path in (folder, *sorted(folder.rglob("*"))):
        mode = path.lstat().st_mode
        if not stat.S_ISSOCK(mode) and not path.is_symlink() and mode & 0o077 & ~allowed:
            found[str(path)] = oct(stat.S_IMODE(mode))
    return found


def ok(server: Server, *arguments: str, stdin: str | None = None) -> None:
    done = server.run(*arguments, stdin=stdin)
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("umask")
def test_kept_files_are_readable_only_by_their_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start_server(tmp_path)
    try:
        ok(server, "login", "--url", server.url, stdin=f"{server.token}\n")
        folder = ("--data-dir", str(server.data_dir))
        ok(server, "db", "backup", str(server.data_dir / "all.dump"), *folder)
    finally:
        stop_server(server)
    for agent in ("claude-code", "opencode"):
        ok(server, "install-hooks", agent)
    ok(server, "hook", "claude-code", stdin=json.dumps(hook_stream("claude-code-simple")[0]))
    monkeypatch.setenv("XDG_STATE_HOME", str(server.home / ".local" / "state"))
    KeptResult(url="", session_id=1, interaction_id="x", step="s", result={}).save()

    # As root the server runs as nobody, who must get through to its own folder, and no further.
    through = 0o011 if os.geteuid() == 0 else 0
    assert open_to_others(server.data_dir / "postgres" / "data") == {}
    assert open_to_others(server.data_dir, allowed=through) == {}
    for name in (".config/agent-sessions", ".local/state/agent-sessions"):
        assert len(list((server.home / name).rglob("*"))) > 0
        assert open_to_others(server.home / name) == {}
    # Others may see that there are such folders, but change nothing: agents run what these say.
    home = {path for path in server.home.rglob("*") if path.is_file()}
    assert {".claude", "plugins", "spool", "results"} <= {part for p in home for part in p.parts}
    for path in server.home.rglob("*"):
        assert not path.lstat().st_mode & 0o022, path
