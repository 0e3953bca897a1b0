"""Where the server is and who asks: environment first, then what `login` saved.

Standard library only: `hook` reads this on an agent's critical path.
"""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

DEFAULT_URL = "http://127.0.0.1:8000"


class Credentials(NamedTuple):
    url: str
    token: str


def credentials_path() -> Path:
    configured = os.environ.get("XDG_CONFIG_HOME")
    return Path(configured or Path.home() / ".config") / "agent-sessions" / "credentials.json"


def state_folder() -> Path:
    """What we remember between two commands of this user, by the XDG base directory rules."""
    configured = os.environ.get("XDG_STATE_HOME")
    return Path(configured or Path.home() / ".local" / "state") / "agent-sessions"


def load_credentials() -> Credentials | None:
    """None when there is no token."""
    saved: dict[str, str] = {}
    with suppress(OSError, ValueError, RuntimeError):
        saved = json.loads(credentials_path().read_text())
    url = os.environ.get("AGENT_SESSIONS_URL") or saved.get("url") or DEFAULT_URL
    token = os.environ.get("AGENT_SESSIONS_TOKEN") or saved.get("token")
    return Credentials(url.rstrip("/"), token.strip()) if token else None


def save_credentials(credentials: Credentials) -> Path:
    path = credentials_path()
    write_secret(path, json.dumps(credentials._asdict()))
    return path


def make_folder(folder: Path, mode: int = 0o700) -> None:
    """With all that is missing above it, and whatever the umask would let others do there."""
    for missing in [f for f in (folder, *folder.parents) if not f.exists()][::-1]:
        missing.mkdir(exist_ok=True, mode=mode)


def write_secret(path: Path, text: str) -> None:
    """Whole or not at all, and never readable by others, not even for a moment."""
    make_folder(path.parent)
    temporary = path.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    temporary.replace(path)
