"""The layout and the permissions of a data folder.

<data_dir>/postgres/     of the caller: 0700, or 0711 for root, so that `nobody` gets below; what
                         is missing above it is made likewise
    data/                PGDATA, of the server account
    data.new/            initdb at work
    run/                 the socket, when its path is short enough
    postgres.log, .log.1
    owner.lock           held by the process that runs the server; says where the socket is
    server.lock          inherited by postgres: free means that no process of it is left
"""

import hashlib
import os
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from app.embedded.account import Account, account_name
from app.embedded.errors import EmbeddedError

PORT = 5432  # only names the socket file: nothing listens on TCP
SOCKET_NAME = f".s.PGSQL.{PORT}"
SOCKET_PATH_LIMIT = 103  # bytes; sun_path holds 107 on Linux, 103 on macOS


@dataclass(frozen=True)
class Home:
    path: Path
    account: Account

    @property
    def data(self) -> Path:
        return self.path / "data"

    @property
    def new_data(self) -> Path:
        return self.path / "data.new"

    @property
    def run(self) -> Path:
        return self.path / "run"

    @property
    def log(self) -> Path:
        return self.path / "postgres.log"

    @property
    def owner_lock(self) -> Path:
        return self.path / "owner.lock"

    @property
    def server_lock(self) -> Path:
        return self.path / "server.lock"


def open_home(data_dir: Path, account: Account) -> Home:
    path = data_dir.expanduser().resolve() / "postgres"
    mode = 0o711 if os.geteuid() == 0 else 0o700
    # Whatever the umask: a user who may write to a parent folder could replace this one.
    for missing in [f for f in path.parents if not f.exists()][::-1]:
        missing.mkdir(exist_ok=True, mode=mode)
    path.mkdir(exist_ok=True)
    _require_owner(path, os.geteuid())
    path.chmod(mode)
    home = Home(path, account)
    if home.data.exists():
        _require_owner(home.data, account.uid)
    return home


def _require_owner(path: Path, uid: int) -> None:
    owner = path.stat().st_uid
    if owner != uid:
        raise EmbeddedError(
            f"{path} belongs to {account_name(owner)}, not {account_name(uid)}: "
            "start the server as the user who made it, or choose another data folder"
        )


def make_private_folder(path: Path, account: Account) -> None:
    """Creates a folder that only the account (and root) can enter.

    Raises EmbeddedError when the path is anything else: in a shared temporary folder another user
    may have put it there.
    """
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    status = path.lstat()
    ours = status.st_uid in (os.geteuid(), account.uid)
    if not ours or not stat.S_ISDIR(status.st_mode) or stat.S_IMODE(status.st_mode) & 0o077:
        raise EmbeddedError(
            f"{path} must be a folder that only {account_name(account.uid)} can enter: remove it"
        )
    if status.st_uid != account.uid:
        os.chown(path, account.uid, account.gid, follow_symlinks=False)


def make_socket_folder(home: Home) -> Path:
    """Creates `run`, or a folder below the system's temporary one when a socket in `run` would have
    an invalid name.

    Drivers split host names at a comma, so such a path is invalid too.
    """
    folder = home.run
    if not _fits(folder):
        digest = hashlib.sha256(os.fsencode(home.path)).hexdigest()[:16]
        folder = Path(tempfile.gettempdir(), f"agent-sessions-{digest}")
    if not _fits(folder):
        raise EmbeddedError(f"{folder} is too long a path for a socket: set a shorter TMPDIR")
    make_private_folder(folder, home.account)
    return folder


def _fits(folder: Path) -> bool:
    path = os.fsencode(folder / SOCKET_NAME)
    return len(path) <= SOCKET_PATH_LIMIT and b"," not in path
