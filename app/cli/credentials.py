"""Where the server is and who asks: environment first, then what `login` saved.

Standard library only, and as little of it as will do: `hook` reads this on an agent's critical
path, where an import costs more than the request.
"""
# `os.path` and bare `try` because pathlib and contextlib take as long to import as a request takes.
# ruff: noqa: PTH102, PTH105, PTH108, PTH110, PTH111, PTH118, PTH120, PTH123, SIM105

import os

DEFAULT_URL = "http://127.0.0.1:8000"


class Credentials:
    """`url` has no slash at its end."""

    __slots__ = ("token", "url")

    def __init__(self, url: str, token: str) -> None:
        self.url = url.strip().rstrip("/")
        self.token = token.strip()

    def is_sendable(self) -> bool:
        """Whether a header can carry the token."""
        return self.token.isascii() and self.token.isprintable()


def home_folder() -> str:
    """Raises OSError for a user without HOME and without an entry in the user database."""
    home = os.path.expanduser("~")
    if home == "~":
        raise OSError("this user has no home folder; set HOME")
    return home


def credentials_path() -> str:
    configured = os.environ.get("XDG_CONFIG_HOME")
    base = configured or os.path.join(home_folder(), ".config")
    return os.path.join(base, "agent-sessions", "credentials.json")


def state_folder() -> str:
    """What is kept between two commands of this user, by the XDG base directory rules."""
    configured = os.environ.get("XDG_STATE_HOME")
    base = configured or os.path.join(home_folder(), ".local", "state")
    return os.path.join(base, "agent-sessions")


def load_credentials() -> Credentials | None:
    """None when there is no token."""
    url = os.environ.get("AGENT_SESSIONS_URL")
    token = os.environ.get("AGENT_SESSIONS_TOKEN")
    if not (url and token):
        saved = _saved()
        url = url or saved.get("url") or DEFAULT_URL
        token = token or saved.get("token")
    return Credentials(url, token) if token else None


def save_credentials(credentials: Credentials) -> str:
    import json  # noqa: PLC0415 - the hook has no use for it

    path = credentials_path()
    write_secret(path, json.dumps({"url": credentials.url, "token": credentials.token}))
    return path


def make_folder(folder: "str | os.PathLike[str]", mode: int = 0o700) -> None:
    """Creates the folder and its missing parents with this mode, whatever the umask allows."""
    missing = []
    folder = os.fspath(folder)
    while folder and not os.path.exists(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    for path in reversed(missing):
        try:
            os.mkdir(path, mode)
        except FileExistsError:  # another process was faster
            pass


def write_secret(path: "str | os.PathLike[str]", text: str) -> None:
    """Writes the whole file or nothing; no other user can read it at any moment."""
    path = os.fspath(path)
    make_folder(os.path.dirname(path))
    write_private(path, text.encode())


def write_private(path: str, content: bytes, temporary: str | None = None) -> None:
    """Replaces the file in one step, with mode 0600. Leaves nothing behind when it fails."""
    temporary = temporary or f"{path}.{os.getpid()}.new"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        try:
            rest = memoryview(content)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        finally:
            os.close(descriptor)
        os.replace(temporary, path)
    except OSError:
        try:
            os.unlink(temporary)
        except OSError:
            pass
        raise


def _saved() -> dict[str, str]:
    try:
        with open(credentials_path(), encoding="utf-8") as file:
            text = file.read()
    except (OSError, ValueError):
        return {}
    words = text.split('"')
    # What `login` writes is read without a JSON parser, whose import takes as long as a request.
    if "\\" not in text and len(words) == 9 and words[2::2] == [": ", ", ", ": ", "}"]:
        return {words[1]: words[3], words[5]: words[7]}
    return _parsed(text)


def _parsed(text: str) -> dict[str, str]:
    import json  # noqa: PLC0415 - only for a file that somebody has edited

    try:
        saved = json.loads(text)
    except ValueError:
        return {}
    fields = saved.items() if isinstance(saved, dict) else ()
    return {name: value for name, value in fields if isinstance(value, str)}
