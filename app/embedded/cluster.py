import atexit
import os
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self, TextIO
from urllib.parse import quote

from app.embedded.account import server_account
from app.embedded.data import make_data, require_major
from app.embedded.errors import EmbeddedError
from app.embedded.handshake import NO_SUCH_DATABASE, STARTING_OR_STOPPING, SUCCESS, SUPERUSER, ask
from app.embedded.home import PORT, Home, make_socket_folder, open_home
from app.embedded.locks import try_lock
from app.embedded.programs import bundled_bin_dir, find_programs
from app.embedded.server import Server
from app.embedded.takeover import take_server_lock

DATABASE = "agent_sessions"
SILENCE_SECONDS = 60.0  # how long a start may take without any progress
POLL_SECONDS = 0.01


class Cluster:
    """A running PostgreSQL, made by `start`.

    The owner's server is restarted when it crashes, at the same URL. It ends with the owner's
    process, however that ends (on Linux; elsewhere a kill -9 leaves a server that the next `start`
    replaces). Other processes are attached, and lose the server when its owner ends.
    """

    def __init__(self, socket_folder: Path, bin_dir: Path, owned: ExitStack | None) -> None:
        self.bin_dir = bin_dir
        self._socket_folder = socket_folder
        self._owned = owned
        if owned is not None:
            # Without a death signal an exit without `stop` would leave the server running.
            atexit.register(self.stop)

    @property
    def url(self) -> str:
        """The URL for asyncpg: the superuser, over the socket."""
        host = quote(str(self._socket_folder))
        return f"postgresql://{SUPERUSER}@/{DATABASE}?host={host}&port={PORT}"

    @property
    def owner(self) -> bool:
        return self._owned is not None

    def stop(self) -> None:
        """Waits for a fast shutdown, up to 35 seconds. Does nothing when attached or already
        stopped."""
        if self._owned is not None:
            atexit.unregister(self.stop)
            self._owned.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start(data_dir: Path, *, bin_dir: Path | None = None) -> Cluster:
    """Starts the folder's PostgreSQL, or attaches to the one that another process started.

    Blocks until the database answers, about a second for a new folder, which is created when
    missing. Raises EmbeddedError when that is impossible.
    """
    try:
        home = open_home(data_dir, server_account())
        return _own_or_attach(home, (bin_dir or bundled_bin_dir()).absolute())
    except OSError as error:
        place = error.filename or data_dir
        raise EmbeddedError(
            f"cannot run PostgreSQL in {data_dir}: {error.strerror}: {place}"
        ) from error


def _own_or_attach(home: Home, bin_dir: Path) -> Cluster:
    deadline = time.monotonic() + SILENCE_SECONDS
    while True:
        lock = try_lock(home.owner_lock)
        if lock is not None:
            with ExitStack() as stack:
                stack.enter_context(lock)
                socket_folder = _run(home, bin_dir, lock, stack)
                return Cluster(socket_folder, bin_dir, stack.pop_all())
        owner, _, folder = home.owner_lock.read_text().partition("\n")
        if folder:
            answer = ask(Path(folder), DATABASE)
            if answer.state == SUCCESS:
                return Cluster(Path(folder), bin_dir, None)
            if answer.state == STARTING_OR_STOPPING:
                deadline = time.monotonic() + SILENCE_SECONDS
        if time.monotonic() > deadline:
            raise EmbeddedError(
                f"process {owner or 'unknown'} holds {home.owner_lock}, but no PostgreSQL answers"
            )
        time.sleep(POLL_SECONDS)


def _run(home: Home, bin_dir: Path, owner_lock: TextIO, stack: ExitStack) -> Path:
    """Starts the server and returns the folder of its socket; the stack undoes it."""
    owner_lock.truncate(0)  # it still names the previous owner's socket
    server_lock = stack.enter_context(take_server_lock(home))
    programs = find_programs(bin_dir, home.account)
    if home.data.exists():
        require_major(home.data, programs)
    else:
        make_data(home, programs, server_lock)
    socket_folder = make_socket_folder(home)
    if socket_folder != home.run:
        stack.callback(_remove_empty, socket_folder)
    owner_lock.write(f"{os.getpid()}\n{socket_folder}")
    owner_lock.flush()
    server = Server(home, programs, socket_folder, server_lock)
    server.start()
    stack.callback(server.stop)
    _wait_until_ready(server, socket_folder)
    return socket_folder


def _wait_until_ready(server: Server, socket_folder: Path) -> None:
    deadline = time.monotonic() + SILENCE_SECONDS
    while True:
        server.check()
        answer = ask(socket_folder, DATABASE)
        if answer.state == NO_SUCH_DATABASE:
            answer = ask(socket_folder, SUPERUSER, f"CREATE DATABASE {DATABASE}")
        if answer.state == SUCCESS:
            server.settle()
            server.check()
            return
        if answer.state == STARTING_OR_STOPPING:  # recovery takes as long as it takes
            deadline = time.monotonic() + SILENCE_SECONDS
        if time.monotonic() > deadline:
            raise EmbeddedError(f"PostgreSQL did not become ready: {answer.message}")
        time.sleep(POLL_SECONDS)


def _remove_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()
