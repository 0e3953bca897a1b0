"""`import`: the history agents keep on disk, as far as the server does not have it."""

from collections.abc import Iterator
from pathlib import Path

import click
import msgspec

from app.cli.client import request
from app.cli.output import json_option, print_json
from app.cli.transcripts import READERS, Event, lines
from app.documents import truncate_all

# Well below the server's limits of 500 events and 8 MiB.
BATCH_EVENTS = 200
BATCH_BYTES = 2 * 1024 * 1024


@click.command("import")
@click.argument("agent", type=click.Choice(sorted(READERS)))
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@json_option
def import_transcripts(agent: str, paths: tuple[Path, ...], *, as_json: bool) -> None:
    """Import transcripts of AGENT: files, or folders with .jsonl files at any depth.

    Importing again, or what the hooks have told already, changes nothing.
    """
    files = [file for path in paths for file in _files(path)]
    totals = {"files": 0, "events": 0, "stored": 0}
    for file in files:
        for batch in _batches(agent, file):
            answer = request("POST", f"/api/hooks/{agent}/import", content=batch[0])
            totals["events"] += batch[1]
            totals["stored"] += answer["stored"]
        totals["files"] += 1
        if not as_json:
            click.echo(f"[{totals['files']}/{len(files)}] {file}", err=True)
    if as_json:
        print_json(totals)
    else:
        click.echo(", ".join(f"{count} {what}" for what, count in totals.items()))


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(path.rglob("*.jsonl"))
    else:
        yield path


def _batches(agent: str, file: Path) -> Iterator[tuple[bytes, int]]:
    """Encoded arrays of events, and how many each holds."""
    with file.open(encoding="utf-8", errors="replace") as text:
        batch: list[bytes] = []
        size = 0
        for event in READERS[agent](lines(text)):
            encoded = _encoded(event)
            if batch and (len(batch) == BATCH_EVENTS or size + len(encoded) > BATCH_BYTES):
                yield b"[%s]" % b",".join(batch), len(batch)
                batch, size = [], 0
            batch.append(encoded)
            size += len(encoded)
        if batch:
            yield b"[%s]" % b",".join(batch), len(batch)


def _encoded(event: Event) -> bytes:
    """What the server would cut anyway is cut here only when it would not even take it."""
    told = {name: value for name, value in event.items() if value is not None}
    encoded = msgspec.json.encode(told)
    return encoded if len(encoded) <= BATCH_BYTES else msgspec.json.encode(truncate_all(told))
