"""A backup taken while the server runs, restored into an empty cluster, holds every row."""

import asyncio
import json
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from app import embedded
from app.cli.local import bin_dir
from tests.conftest import hook_stream
from tests.servers import Server


async def rows(url: str) -> dict[str, list[str]]:
    connection = await asyncpg.connect(url)
    try:
        tables = await connection.fetch(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        )
        found: dict[str, list[str]] = {}
        for (table,) in tables:
            everything = await connection.fetch(f"SELECT t::text AS row FROM {table} t")
            found[table] = sorted(row["row"] for row in everything)
        return found
    finally:
        await connection.close()


async def walls(url: str) -> list[Any]:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetch(
            "SELECT tablename, policyname, cmd, qual, with_check FROM pg_policies ORDER BY 1, 2"
        )
    finally:
        await connection.close()


def test_backup_restores_every_row(server: Server, tmp_path: Path) -> None:
    header = {"Authorization": f"Bearer {server.token}"}
    for event in hook_stream("claude-code-interactive-permission"):
        server.run("hook", "claude-code", stdin=json.dumps(event))
    path = f"{server.url}/api/sessions/1/interactions"
    batch = [{"command": {"module": "Bash", "command": f"line\\n{n}\\t"}} for n in range(100)]
    httpx.post(path.replace("/interactions", "/reopen"), headers=header)
    assert httpx.post(path, json=batch, headers=header).status_code == 201

    file = tmp_path / "backup.dump"
    folder = ("--data-dir", str(server.data_dir))
    written = server.json("db", "backup", str(file), *folder)["rows"]
    assert written["interaction_pages"] > 10
    assert server.run("db", "backup", str(file), *folder).returncode == 2, "never overwrites"

    empty = tmp_path / "restored"
    restored = server.json("db", "restore", str(file), "--data-dir", str(empty))["rows"]
    assert restored == written
    url = server.json("db", "url", *folder)["url"]
    original = asyncio.run(rows(url)), asyncio.run(walls(url))
    with embedded.start(empty, bin_dir=bin_dir()) as cluster:
        copy = asyncio.run(rows(cluster.url)), asyncio.run(walls(cluster.url))
    assert {t: len(r) for t, r in original[0].items()} == written
    assert copy == original
    again = server.run("db", "restore", str(file), "--data-dir", str(empty))
    assert again.returncode == 2
    assert "not empty" in again.stderr


def test_backup_under_row_security_is_refused(server: Server, tmp_path: Path) -> None:
    url = server.json("db", "url", "--data-dir", str(server.data_dir))["url"]

    async def make_role() -> None:
        connection = await asyncpg.connect(url)
        await connection.execute("CREATE ROLE bound LOGIN IN ROLE agent_sessions_app")
        await connection.close()

    asyncio.run(make_role())
    bound = url.replace("postgres@", "bound@")
    programs = embedded.start(server.data_dir).bin_dir
    done = server.run(
        "db", "backup", str(tmp_path / "x"), DATABASE_URL=bound, PG_BINDIR=str(programs)
    )
    assert done.returncode == 2
    assert "row security" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_file_that_is_no_backup_is_refused(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "nonsense"
    file.write_text("nonsense")
    done = server.run("db", "restore", str(file), "--data-dir", str(tmp_path / "data"))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
