import os
import shutil
from pathlib import Path
from typing import TextIO

from app.embedded.errors import EmbeddedError
from app.embedded.handshake import SUPERUSER
from app.embedded.home import Home, make_private_folder
from app.embedded.launch import launch
from app.embedded.log import ServerLog
from app.embedded.programs import Programs


def require_major(data: Path, programs: Programs) -> None:
    major = (data / "PG_VERSION").read_text().strip()
    if major != str(programs.major):
        raise EmbeddedError(
            f"{data} was made by PostgreSQL {major}, and {programs.bin_dir} is PostgreSQL "
            f"{programs.major}: point PG_BINDIR at programs of version {major}, or dump with "
            "those and restore into a new data folder"
        )


def make_data(home: Home, programs: Programs, server_lock: TextIO) -> None:
    """Creates PGDATA. A folder with its final name is complete, since initdb works beside it."""
    if home.new_data.exists():
        shutil.rmtree(home.new_data)
    make_private_folder(home.new_data, home.account)
    log = ServerLog(home.log)
    arguments = [str(programs.bin_dir / "initdb"), *_initdb_options(programs.major)]
    with (
        log.open() as output,
        launch(
            home.account, arguments, data=home.new_data, output=output, lock=server_lock
        ) as process,
    ):
        code = process.wait()
    if code != 0:
        raise EmbeddedError(f"initdb failed: {log.tail()} (see {log.path})")
    home.new_data.rename(home.data)
    descriptor = os.open(home.path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def _initdb_options(major: int) -> list[str]:
    options = ["--username", SUPERUSER, "--encoding", "UTF8", "--locale", "C", "--data-checksums"]
    # The socket asks for no password: only its folder keeps other users out.
    options += ["--auth-local", "trust", "--auth-host", "reject"]
    if major >= 17:
        options += ["--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"]
    return options
