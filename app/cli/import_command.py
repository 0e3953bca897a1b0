"""`import`: sends the transcripts that agents keep on disk to the server."""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import click
import msgspec

from app.cleaning import truncate_all
from app.cli.client import Refused, post_patiently
from app.cli.output import json_option, print_json, printable
from app.cli.transcripts import READERS, Event, lines

# Well below the server's limits of 500 events and 8 MiB per request.
BATCH_EVENTS = 200
BATCH_BYTES = 2 * 1024 * 1024
# The server refuses the content, not the sender.
_CONTENT_REFUSED = frozenset({400, 413, 422})


@click.command("import")
@click.argument("agent", type=click.Choice(sorted(READERS)))
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@json_option
def import_transcripts(agent: str, paths: tuple[Path, ...], *, as_json: bool) -> None:
    """Import transcripts of AGENT: files, or folders with .jsonl files at any depth.

    Importing twice changes nothing; neither does importing what hooks have sent already.
    """
    files = [file for path in paths for file in _files(path)]
    totals = {"files": 0, "events": 0, "stored": 0, "refused": 0}
    why = ""
    for file in files:
        for batch in _batches(agent, file):
            totals["events"] += len(batch)
            for answer in _import(agent, batch):
                if isinstance(answer, int):
                    totals["stored"] += answer
                else:
                    totals["refused"] += 1
                    why = why or answer
        totals["files"] += 1
        if not as_json:
            click.echo(printable(f"[{totals['files']}/{len(files)}] {file}"), err=True)
    if as_json:
        print_json(totals)
    else:
        click.echo(", ".join(f"{count} {what}" for what, count in totals.items()))
    if totals["refused"]:
        counts = f"{totals['refused']} of {totals['events']}"
        raise Refused(f"{counts} events were refused, the first of them: {why}")


def _import(agent: str, batch: list[bytes]) -> Iterator[int | str]:
    """Yields how many events were stored, and the reason for each that the server refuses."""
    content = b"[%s]" % b",".join(batch)
    response = post_patiently(f"/api/hooks/{agent}/import", content=content)
    if response.is_success:
        yield response.json()["stored"]
    elif response.status not in _CONTENT_REFUSED:
        raise Refused(response.reason)
    elif len(batch) == 1:
        yield response.reason
    else:
        for event in batch:
            yield from _import(agent, [event])


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(path.rglob("*.jsonl"))
    else:
        yield path


def _batches(agent: str, file: Path) -> Iterator[list[bytes]]:
    """Yields encoded events, as many as fit in a request."""
    with file.open(encoding="utf-8", errors="replace") as text:
        batch: list[bytes] = []
        size = 0
        for event in READERS[agent](lines(text)):
            encoded = _encoded(event)
            if batch and (len(batch) == BATCH_EVENTS or size + len(encoded) > BATCH_BYTES):
                yield batch
                batch, size = [], 0
            batch.append(encoded)
            size += len(encoded)
        if batch:
            yield batch


def _encoded(event: Event) -> bytes:
    """Cuts long strings, as the server does, only in an event too large to be sent."""
    told = {name: value for name, value in event.items() if value is not None}
    try:
        encoded = msgspec.json.encode(told)
    except UnicodeEncodeError:
        told = _without_lone_surrogates(told)
        encoded = msgspec.json.encode(told)
    if len(encoded) > BATCH_BYTES:
        with suppress(RecursionError):
            encoded = msgspec.json.encode(truncate_all(told))
    return encoded


def _without_lone_surrogates(event: Event) -> Event:
    """Replaces half a character, as JavaScript cuts them, by U+FFFD: UTF-8 cannot hold it."""
    text = json.dumps(event, ensure_ascii=False).encode("utf-16", "surrogatepass")
    whole: Event = json.loads(text.decode("utf-16", "replace"))
    return whole
