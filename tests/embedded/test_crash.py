import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from app.embedded import Cluster, EmbeddedError, server, start
from app.embedded.locks import try_lock

from .support import (
    SERVER,
    Holder,
    answers,
    foreign_server,
    log_text,
    no_server_left,
    postmaster_pid,
    read_row,
    wait_until,
    write_row,
)


def is_replaced(data_dir: Path, pid: int) -> bool:
    try:
        return postmaster_pid(data_dir) != pid
    except (FileNotFoundError, ValueError):
        return False


def test_a_killed_server_comes_back(cluster: Cluster, data_dir: Path) -> None:
    write_row(cluster.url)
    for _ in range(2):
        killed = postmaster_pid(data_dir)
        os.kill(killed, signal.SIGKILL)
        wait_until(partial(is_replaced, data_dir, killed))
        wait_until(partial(answers, cluster.url))
        assert read_row(cluster.url) == 7


def test_stop_while_the_server_is_down(cluster: Cluster, data_dir: Path) -> None:
    os.kill(postmaster_pid(data_dir), signal.SIGKILL)
    cluster.stop()
    wait_until(lambda: no_server_left(data_dir))
    assert not answers(cluster.url)


def test_stop_goes_on_to_harsher_signals(
    cluster: Cluster, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurried = ((signal.SIGINT, 0.1), (signal.SIGQUIT, 0.1), (signal.SIGKILL, 10.0))
    monkeypatch.setattr(server, "STOP_SEQUENCE", hurried)
    write_row(cluster.url)
    os.kill(postmaster_pid(data_dir), signal.SIGSTOP)
    cluster.stop()
    assert not answers(cluster.url)
    with start(data_dir) as successor:
        assert successor.owner
        assert read_row(successor.url) == 7


def test_the_server_shuts_down_when_its_owner_is_killed(data_dir: Path) -> None:
    with Holder(data_dir) as owner:
        write_row(owner.url)
        owner.kill()
    wait_until(lambda: no_server_left(data_dir))
    assert "received fast shutdown request" in log_text(data_dir)
    assert log_text(data_dir).rstrip().endswith("database system is shut down")


def test_a_start_right_after_the_owner_was_killed_takes_over(data_dir: Path) -> None:
    with Holder(data_dir) as owner:
        write_row(owner.url)
        owner.kill()
        with start(data_dir) as successor:
            assert successor.owner
            assert read_row(successor.url) == 7


def test_owner_and_server_killed_together(data_dir: Path) -> None:
    with Holder(data_dir) as owner:
        write_row(owner.url)
        server = postmaster_pid(data_dir)
        os.kill(owner.process.pid, signal.SIGSTOP)  # so that it does not restart the server
        os.kill(server, signal.SIGKILL)
        owner.kill()
        with start(data_dir) as successor:
            assert successor.owner
            assert read_row(successor.url) == 7
    assert "automatic recovery in progress" in log_text(data_dir)


def test_the_server_outlives_the_thread_that_started_it(data_dir: Path) -> None:
    started: list[Cluster] = []
    thread = threading.Thread(target=lambda: started.append(start(data_dir)))
    thread.start()
    thread.join()
    with started[0] as cluster:
        before = postmaster_pid(data_dir)
        assert answers(cluster.url)
        assert postmaster_pid(data_dir) == before
    assert log_text(data_dir).count("received fast shutdown request") == 1


def test_an_orphan_is_replaced(data_dir: Path) -> None:
    """The state after a kill -9 of the owner on a system without a parent-death signal."""
    with start(data_dir) as cluster:
        write_row(cluster.url)
    lock = try_lock(data_dir / "postgres/server.lock")
    assert lock is not None
    with foreign_server(data_dir, lock=lock.fileno()) as orphan:
        lock.close()
        with start(data_dir) as successor:
            assert successor.owner
            assert postmaster_pid(data_dir) != orphan
            assert read_row(successor.url) == 7


def test_a_server_started_by_hand_is_left_alone(data_dir: Path) -> None:
    with start(data_dir) as cluster:
        write_row(cluster.url)
    with foreign_server(data_dir) as foreign:
        with pytest.raises(EmbeddedError, match=f"in use by PostgreSQL process {foreign}"):
            start(data_dir)
        assert postmaster_pid(data_dir) == foreign
        assert read_row(cluster.url) == 7


@pytest.fixture
def unrelated_process() -> Iterator[int]:
    """A process of the server's user. One of another user PostgreSQL itself would recognise as no
    server."""
    groups: list[int] | None = [] if os.geteuid() == 0 else None
    process = subprocess.Popen(
        ["/bin/sleep", "60"], user=SERVER.uid, group=SERVER.gid, extra_groups=groups
    )
    yield process.pid
    process.kill()
    process.wait()


@pytest.mark.parametrize("content", ["unrelated", "dead", "own", "empty"])
def test_a_stale_pid_file_is_not_trusted(
    data_dir: Path, unrelated_process: int, content: str
) -> None:
    with Holder(data_dir) as owner:
        write_row(owner.url)
        pid_file = data_dir / "postgres/data/postmaster.pid"
        socket_lock = data_dir / "postgres/run/.s.PGSQL.5432.lock"
        pid_lines = pid_file.read_text()
        socket_lines = socket_lock.read_text()
        dead = postmaster_pid(data_dir)
        os.kill(owner.process.pid, signal.SIGSTOP)
        os.kill(dead, signal.SIGKILL)
        owner.kill()
    wait_until(lambda: no_server_left(data_dir))

    pid = {"unrelated": unrelated_process, "dead": dead, "own": os.getpid(), "empty": 0}[content]
    for path, lines in ((pid_file, pid_lines), (socket_lock, socket_lines)):
        path.write_text(lines.replace(str(dead), str(pid), 1) if pid else "")

    with start(data_dir) as cluster:
        assert cluster.owner
        assert postmaster_pid(data_dir) != pid
        assert read_row(cluster.url) == 7
    os.kill(unrelated_process, 0)
