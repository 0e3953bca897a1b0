import os
import stat
import tempfile
from pathlib import Path

import pytest

from app.embedded import EmbeddedError, start
from app.embedded.log import ROTATE_BYTES

from .support import BUNDLED, Holder, answers, fetch, log_text, read_row, write_row

OLDER = BUNDLED.parents[1] / "pginstall/bin"


def failure(data_dir: Path, bin_dir: Path | None = None) -> str:
    with pytest.raises(EmbeddedError) as caught:
        start(data_dir, bin_dir=bin_dir)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_folder_of_another_major_version(data_dir: Path) -> None:
    with start(data_dir, bin_dir=OLDER) as cluster:
        assert cluster.bin_dir == OLDER
        write_row(cluster.url)

    message = failure(data_dir)

    assert "PostgreSQL 16" in message
    assert "PostgreSQL 18" in message
    assert "PG_BINDIR" in message
    with start(data_dir, bin_dir=Path(os.path.relpath(OLDER))) as cluster:
        assert cluster.bin_dir == OLDER
        assert read_row(cluster.url) == 7


def test_a_path_too_long_for_a_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data_dir = tmp_path / ("long" * 30) / ("path" * 30)
    with start(data_dir) as cluster:
        folder = Path(str(fetch(cluster.url, "SHOW unix_socket_directories")[0][0]).strip('"'))
        assert folder.parent == Path(tempfile.gettempdir())
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        # Another TMPDIR must not lead another process elsewhere.
        with Holder(data_dir, environment={"TMPDIR": str(tmp_path)}) as second:
            assert second.url == cluster.url
    assert not folder.exists()

    folder.mkdir(mode=0o755)
    try:
        assert str(folder) in failure(data_dir)
    finally:
        folder.rmdir()

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / ("long" * 30)))
    assert "set a shorter TMPDIR" in failure(data_dir)


@pytest.mark.parametrize("name", ["one,two", 'it\'s 100% "ä" & b?c#d'])
def test_a_path_with_odd_characters(tmp_path: Path, name: str) -> None:
    with start(tmp_path / name) as cluster:
        write_row(cluster.url)
    with start(tmp_path / name) as cluster:
        assert read_row(cluster.url) == 7


def test_a_symbolic_link_is_the_same_folder(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with start(tmp_path / "link") as cluster:
        second = start(tmp_path / "real")
        assert second.url == cluster.url
        assert not second.owner


def test_no_programs(data_dir: Path, tmp_path: Path) -> None:
    assert "PG_BINDIR" in failure(data_dir, bin_dir=tmp_path)


def test_programs_that_do_not_run(data_dir: Path, tmp_path: Path) -> None:
    for name in ("postgres", "initdb"):
        (tmp_path / name).write_text("not a program")
    assert f"cannot run {tmp_path / 'postgres'}" in failure(data_dir, bin_dir=tmp_path)


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    message = failure(tmp_path / "file")
    assert "Not a directory" in message
    assert str(tmp_path / "file") in message


def test_damaged_data_and_the_log(data_dir: Path) -> None:
    with start(data_dir):
        pass
    settings = data_dir / "postgres/data/postgresql.conf"
    sound = settings.read_text()
    settings.write_text("no_such_setting = 1\n")
    log = data_dir / "postgres/postgres.log"
    with log.open("a") as stream:
        stream.write("x" * ROTATE_BYTES)

    message = failure(data_dir)

    assert "no_such_setting" in message
    assert str(log) in message
    assert len(log_text(data_dir)) < ROTATE_BYTES
    assert log.with_name("postgres.log.1").stat().st_size > ROTATE_BYTES

    settings.write_text(sound)
    with start(data_dir) as cluster:  # the failure left nothing locked
        assert cluster.owner
        assert answers(cluster.url)

    (data_dir / "postgres/data/PG_VERSION").unlink()
    assert "PG_VERSION" in failure(data_dir)
