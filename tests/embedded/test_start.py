import os
import signal
import stat
from pathlib import Path

import asyncpg
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from app.embedded import Cluster, start

from .support import (
    Holder,
    answers,
    fetch,
    log_text,
    no_server_left,
    read_row,
    wait_until,
    write_row,
)


def test_the_server_is_durable_and_private(cluster: Cluster, data_dir: Path) -> None:
    names = [
        *("fsync", "full_page_writes", "synchronous_commit", "data_checksums"),
        *("listen_addresses", "TimeZone", "server_encoding"),
    ]
    columns = ", ".join(f"current_setting('{name}')" for name in names)

    assert fetch(cluster.url, f"SELECT {columns}") == [("on", "on", "on", "on", "", "UTC", "UTF8")]
    assert fetch(cluster.url, "SELECT lower('ÄÖ'), current_database(), current_user") == [
        ("äö", "agent_sessions", "postgres")
    ]
    assert fetch(cluster.url, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user")[0][0]
    for name in ("run", "data"):
        assert stat.S_IMODE((data_dir / "postgres" / name).stat().st_mode) == 0o700
    assert (cluster.bin_dir / "pg_dump").is_file()


async def test_sqlalchemy_takes_the_url(cluster: Cluster) -> None:
    engine = create_async_engine(make_url(cluster.url).set(drivername="postgresql+asyncpg"))
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT current_database()")) == "agent_sessions"
    await engine.dispose()


def test_data_survives_a_restart(data_dir: Path) -> None:
    with start(data_dir) as cluster:
        write_row(cluster.url)
        cluster.stop()
        assert no_server_left(data_dir)
        cluster.stop()
    with start(data_dir) as cluster:
        assert cluster.owner
        assert read_row(cluster.url) == 7


def test_a_dropped_database_is_made_again(data_dir: Path) -> None:
    with start(data_dir) as cluster:
        maintenance = cluster.url.replace("/agent_sessions?", "/postgres?")
        fetch(maintenance, "DROP DATABASE agent_sessions")
    with start(data_dir) as cluster:
        assert answers(cluster.url)


async def test_stop_does_not_wait_for_clients(cluster: Cluster, data_dir: Path) -> None:
    connection = await asyncpg.connect(cluster.url)
    transaction = connection.transaction()
    await transaction.start()

    cluster.stop()

    assert no_server_left(data_dir)
    connection.terminate()


def test_a_second_process_attaches(cluster: Cluster, data_dir: Path) -> None:
    write_row(cluster.url)
    with Holder(data_dir) as second:
        assert second.answer["owner"] is False
        assert read_row(second.url) == 7
        second.end()
    assert answers(cluster.url)


def test_a_second_start_in_the_same_process_attaches(cluster: Cluster, data_dir: Path) -> None:
    second = start(data_dir)
    assert not second.owner
    second.stop()
    assert answers(cluster.url)


def test_two_processes_start_at_once(data_dir: Path) -> None:
    with Holder(data_dir) as one, Holder(data_dir) as other:
        assert {one.answer["owner"], other.answer["owner"]} == {True, False}
        write_row(one.url)
        assert read_row(other.url) == 7


def test_an_attached_process_takes_over_at_its_next_start(data_dir: Path) -> None:
    with Holder(data_dir) as owner:
        assert owner.answer["owner"]
        attached = start(data_dir)
        assert not attached.owner
        owner.end()
        assert not answers(attached.url)
        with start(data_dir) as successor:
            assert successor.owner
            assert successor.url == attached.url


def test_a_killed_initdb_leaves_nothing_half_made(data_dir: Path) -> None:
    home = data_dir / "postgres"
    with Holder(data_dir) as killed:
        wait_until((home / "data.new/base").exists)
        pid = killed.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        killed.kill()
        for child in children:
            os.killpg(int(child), signal.SIGKILL)
    wait_until(lambda: no_server_left(data_dir))
    assert (home / "data.new").exists()
    assert not (home / "data").exists()

    with start(data_dir) as cluster:
        assert answers(cluster.url)
    assert not (home / "data.new").exists()


def test_an_exit_without_stop_ends_the_server(data_dir: Path) -> None:
    with Holder(data_dir) as careless:
        assert careless.answer["owner"]
        careless.end("exit without stop")
        assert no_server_left(data_dir)
    assert "database system is shut down" in log_text(data_dir)


def test_control_c_reaches_the_owner_alone(data_dir: Path) -> None:
    with Holder(data_dir) as owner:
        assert answers(owner.url)
        os.killpg(owner.process.pid, signal.SIGINT)
        assert answers(owner.url)
        owner.end()
    assert log_text(data_dir).count("received fast shutdown request") == 1
