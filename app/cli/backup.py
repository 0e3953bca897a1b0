"""`db backup` and `db restore`, with the server's own pg_dump and pg_restore."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import asyncpg
import click

from app import embedded, migrations
from app.cli.local import bin_dir, data_dir_option
from app.cli.output import json_option, print_json
from app.settings import from_environment

_UNBOUND = "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"
_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"

Counts = dict[str, int]


class Source(NamedTuple):
    url: str
    programs: Path


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@data_dir_option
@json_option
def backup(file: Path, data_dir: Path, *, as_json: bool) -> None:
    """Back up the database to FILE, also while the server runs, and count the rows."""
    if file.exists():
        raise click.UsageError(f"{file} exists already")
    partial = file.with_name(f"{file.name}.partial")
    with _source(data_dir) as source:
        try:
            partial.unlink(missing_ok=True)
            partial.touch(mode=0o600, exist_ok=False)  # it will hold every account's data
            counts = asyncio.run(_dump(source, partial))
            partial.rename(file)
        finally:
            partial.unlink(missing_ok=True)
    _report(file, counts, as_json=as_json)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@data_dir_option
@json_option
def restore(file: Path, data_dir: Path, *, as_json: bool) -> None:
    """Restore FILE into an empty database, all or nothing, and count the rows."""
    with _source(data_dir) as source:
        if asyncio.run(_count(source.url)):
            raise click.UsageError("the database is not empty")
        migrations.create_role(source.url)
        _run(
            [source.programs / "pg_restore", "--single-transaction", "--exit-on-error"],
            ["--no-owner", "--dbname", source.url, file],
        )
        expected = _dumped(source, file)
        counts = asyncio.run(_count(source.url))
    if counts != expected:
        raise click.ClickException(f"restored {counts}, but the file has {expected}")
    _report(file, counts, as_json=as_json)


@contextmanager
def _source(data_dir: Path) -> Iterator[Source]:
    if not os.environ.get("DATABASE_URL"):
        with embedded.start(data_dir, bin_dir=bin_dir()) as cluster:
            yield Source(cluster.url, cluster.bin_dir)
        return
    found = shutil.which("pg_dump", path=os.fspath(bin_dir() or os.environ.get("PATH", "")))
    if found is None:
        raise click.UsageError("pg_dump is not on the PATH; set PG_BINDIR")
    yield Source(from_environment().direct_url, Path(found).parent)


async def _dump(source: Source, file: Path) -> Counts:
    """Dumps one snapshot and counts its rows, whatever is written meanwhile."""
    connection = await asyncpg.connect(source.url)
    try:
        if not await connection.fetchval(_UNBOUND):
            raise click.UsageError(
                "this role is under row security and would dump no rows: use a superuser"
            )
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            snapshot = await connection.fetchval("SELECT pg_export_snapshot()")
            counts = await _counts(connection)
            await asyncio.to_thread(
                _run,
                [source.programs / "pg_dump", "--format", "custom", "--no-owner"],
                ["--snapshot", snapshot, "--file", file, "--dbname", source.url],
            )
    finally:
        await connection.close()
    dumped = await asyncio.to_thread(_dumped, source, file)
    if dumped != counts:
        raise click.ClickException(f"dumped {dumped}, but the database has {counts}")
    return counts


async def _count(url: str) -> Counts:
    connection = await asyncpg.connect(url)
    try:
        return await _counts(connection)
    finally:
        await connection.close()


async def _counts(connection: "asyncpg.Connection[asyncpg.Record]") -> Counts:
    tables = [row["tablename"] for row in await connection.fetch(_TABLES)]
    return {
        table: await connection.fetchval(f'SELECT count(*) FROM public."{table}"')  # noqa: S608 - from the catalog
        for table in tables
    }


def _dumped(source: Source, file: Path) -> Counts:
    """Counts the rows of each table while the file streams by."""
    counts: Counts = {}
    table: str | None = None
    command: list[str | Path] = [source.programs / "pg_restore", "--data-only", "--file", "-", file]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:  # noqa: S603 - our own programs
        assert process.stdout is not None, "it is a pipe"  # noqa: S101 - a type guard
        for line in process.stdout:
            if table is None and line.startswith(b"COPY public."):
                table = line.split()[1].decode().removeprefix("public.").strip('"')
                counts[table] = 0
            elif line == b"\\.\n":
                table = None
            elif table is not None:
                counts[table] += 1
    if process.returncode:
        raise click.ClickException(f"{file} cannot be read back")
    return dict(sorted(counts.items()))


def _run(*parts: list[str | Path]) -> None:
    command = [argument for part in parts for argument in part]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own programs
    if done.returncode:
        raise click.ClickException(" ".join(done.stderr.split()))


def _report(file: Path, counts: Counts, *, as_json: bool) -> None:
    if as_json:
        print_json({"file": str(file), "rows": counts})
    else:
        click.echo(f"{file}: {sum(counts.values())} rows in {len(counts)} tables")
