import logging
import os
import subprocess
import threading
import time
from pathlib import Path
from typing import TextIO

from app.embedded.errors import EmbeddedError
from app.embedded.home import PORT, Home
from app.embedded.launch import launch
from app.embedded.log import ServerLog
from app.embedded.programs import Programs
from app.embedded.takeover import STOP_SEQUENCE, remove_stale_pid_files

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0
STABLE_SECONDS = 60.0

SETTINGS = {
    "port": str(PORT),
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_destination": "stderr",
    "logging_collector": "off",
    "log_checkpoints": "off",
    # Hot statements keep their plans until a table is analysed again: those of a new database, made
    # for empty tables, read all of an account when thousands of rows arrive in its first minute.
    "autovacuum_naptime": "10s",
    # A quarter of the usual sample: looked at that often, a table of 120,000 sessions would take a
    # core for a fifth of a second each time, and twice as long from those who append meanwhile.
    "default_statistics_target": "25",
    # Leaves out ERROR: the client gets it, and its text may quote secrets.
    "log_min_messages": "log",
}

logger = logging.getLogger(__name__)


class Server:
    """A postgres that is restarted when it ends without `stop`.

    Every postgres is forked by the watching thread, because Linux sends the parent-death signal
    when the forking *thread* ends: a caller's short-lived thread would take the server with it.
    """

    def __init__(self, home: Home, programs: Programs, socket_folder: Path, lock: TextIO) -> None:
        self.log = ServerLog(home.log)
        self._home = home
        self._programs = programs
        self._socket_folder = socket_folder
        self._lock = lock
        self._owner = os.getpid()
        self._guard = threading.Lock()
        self._stopping = threading.Event()
        self._settled = threading.Event()
        self._failure: Exception | None = None
        self._process: subprocess.Popen[bytes] | None = None
        # A daemon, so that an exit without `stop` is not held up; the death signal ends postgres.
        self._watcher = threading.Thread(
            target=self._watch, name="embedded-postgresql", daemon=True
        )

    def start(self) -> None:
        self._watcher.start()

    def check(self) -> None:
        """Raises EmbeddedError when the first postgres has already ended."""
        if not self._watcher.is_alive():
            reason = self._failure or self.log.tail()
            raise EmbeddedError(f"PostgreSQL did not start: {reason} (see {self.log.path})")

    def settle(self) -> None:
        """From now on restarts the server instead of giving up."""
        self._settled.set()

    def stop(self) -> None:
        if os.getpid() != self._owner:  # a fork of the owner has the object, not the server
            return
        with self._guard:
            self._stopping.set()
            process = self._process
        for number, seconds in STOP_SEQUENCE:
            if process is not None:
                process.send_signal(number)
            self._watcher.join(seconds)
            if not self._watcher.is_alive():
                return
            logger.warning(
                "embedded PostgreSQL has not stopped %.0f s after %s", seconds, number.name
            )

    def _watch(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            began = time.monotonic()
            try:
                with self._guard:
                    if self._stopping.is_set():
                        return
                    self._process = self._spawn()
                reason = f"ended with {self._process.wait()}"
            except (OSError, EmbeddedError) as error:
                self._failure = error
                reason = f"cannot start: {error}"
            if not self._settled.is_set() or self._stopping.is_set():
                return
            if time.monotonic() - began > STABLE_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            logger.error("embedded PostgreSQL %s; restarting in %.1f s", reason, pause)
            self._stopping.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _spawn(self) -> subprocess.Popen[bytes]:
        home = self._home
        remove_stale_pid_files(home.data, self._socket_folder)
        # Relative to PGDATA: neither its length nor the folders above it matter to postgres.
        beside = self._socket_folder == home.run
        folder = "../run" if beside else f'"{self._socket_folder}"'
        settings = {**SETTINGS, "unix_socket_directories": folder}
        options = [part for name in settings for part in ("-c", f"{name}={settings[name]}")]
        with self.log.open() as output:
            return launch(
                home.account,
                [str(self._programs.bin_dir / "postgres"), *options],
                data=home.data,
                output=output,
                lock=self._lock,
            )
