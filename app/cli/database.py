"""`db` and `doctor`."""

import datetime
import os
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import click

from app import migrations
from app.cli.agent_hooks import AGENTS
from app.cli.backup import backup, restore
from app.cli.credentials import load_credentials
from app.cli.install import installed
from app.cli.local import data_dir_option, database_settings, with_database
from app.cli.output import json_option, print_json, print_text
from app.cli.spool import spool_of
from app.db import Database, current_revision, is_bound_by_row_security

_LOW_DISK = 1024**3


@click.group("db")
def database_group() -> None:
    """The database and its schema."""


@database_group.command()
@data_dir_option
@json_option
def upgrade(data_dir: Path, *, as_json: bool) -> None:
    """Migrate the schema to what this version needs."""
    with database_settings(data_dir) as settings:
        migrations.upgrade(settings.direct_url)
    _report(as_json, revision=migrations.head())


@database_group.command()
@click.argument("revision")
@data_dir_option
@json_option
def downgrade(revision: str, data_dir: Path, *, as_json: bool) -> None:
    """Migrate the schema back to REVISION; `base` removes everything."""
    with database_settings(data_dir) as settings:
        migrations.downgrade(settings.direct_url, revision)
    _report(as_json, revision=revision)


@database_group.command()
@data_dir_option
@json_option
def check(data_dir: Path, *, as_json: bool) -> None:
    """Check the schema; exits 1 when this version needs another."""
    found = with_database(data_dir, _revision, migrated=False)
    _report(as_json, revision=found, needed=migrations.head())
    if found != migrations.head():
        raise SystemExit(1)


@database_group.command()
@data_dir_option
@json_option
def url(data_dir: Path, *, as_json: bool) -> None:
    """Print the database's URL, for psql."""
    with database_settings(data_dir) as settings:
        _report(as_json, url=settings.database_url)


database_group.add_command(backup)
database_group.add_command(restore)


class Finding(NamedTuple):
    subject: str
    ok: bool
    detail: str
    """The finding, or what to do about it."""


@click.command()
@data_dir_option
@json_option
def doctor(data_dir: Path, *, as_json: bool) -> None:
    """Check the installation; exit 1 when something is wrong."""
    try:
        findings = with_database(data_dir, _examine, migrated=False)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
        findings = [Finding("database", ok=False, detail=" ".join(str(error).split()))]
    findings += [_disk(data_dir), hooks_finding(), _spool()]
    if as_json:
        print_json([finding._asdict() for finding in findings])
    else:
        for finding in findings:
            print_text(f"{'ok  ' if finding.ok else 'FAIL'} {finding.subject}: {finding.detail}")
    if not all(finding.ok for finding in findings):
        raise SystemExit(1)


async def _examine(database: Database) -> list[Finding]:
    async with database.unscoped() as driver:
        version = await driver.fetchval("SHOW server_version")
        now = await driver.fetchval("SELECT clock_timestamp()")
        bound = await is_bound_by_row_security(driver)
    revision = await _revision(database)
    skew = abs((datetime.datetime.now(datetime.UTC) - now).total_seconds())
    head = migrations.head()
    return [
        Finding("database", ok=True, detail=f"PostgreSQL {version}"),
        Finding(
            "migrations",
            ok=revision == head,
            detail=f"at {revision}" if revision == head else "run `agent-sessions db upgrade`",
        ),
        Finding(
            "row security",
            ok=bound,
            detail="binds the server's role"
            if bound
            else "the server's role could bypass it: run `agent-sessions db upgrade` as superuser",
        ),
        Finding(
            "clock",
            ok=skew < 5,
            detail=f"{skew:.1f} s from the database's; synchronise them beyond 5 s",
        ),
    ]


async def _revision(database: Database) -> str | None:
    async with database.unscoped() as driver:
        return await current_revision(driver)


def _disk(data_dir: Path) -> Finding:
    existing = next((p for p in (data_dir, *data_dir.parents) if p.exists()), Path(os.sep))
    free = shutil.disk_usage(existing).free
    return Finding("disk", ok=free > _LOW_DISK, detail=f"{free / 1024**3:.1f} GiB free")


def hooks_finding() -> Finding:
    """Agents with our hooks. Neither no hooks nor settings only the agent can read are a fault."""
    try:
        found = [a for a in AGENTS if any(installed(a, project=where) for where in (False, True))]
    except OSError as error:
        return Finding("hooks", ok=True, detail=f"not known: {error}")
    return Finding("hooks", ok=True, detail=f"installed for {', '.join(found) or 'no agent'}")


def _spool() -> Finding:
    credentials = load_credentials()
    if credentials is None:
        return Finding("spool", ok=True, detail="no token here, so nothing waits")
    try:
        spool = spool_of(credentials)
    except OSError as error:
        return Finding("spool", ok=False, detail=str(error))
    waiting, dropped = len(spool.entries()), spool.dropped()
    advice = "; `agent-sessions hook --flush` delivers them" if waiting else ""
    detail = f"{waiting} events wait, {dropped} were dropped because it was full{advice}"
    return Finding("spool", ok=not dropped, detail=detail)


def _report(as_json: bool, **fields: Any) -> None:
    if as_json:
        print_json(fields)
    else:
        for name, value in fields.items():
            print_text(f"{name}: {value}")
