"""Tables for people, JSON for programs."""

from collections.abc import Iterable, Sequence
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.table import Table

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


def print_json(value: Any) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    table = Table(*columns, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    Console().print(table)


def show_fields(row: dict[str, Any], *, as_json: bool) -> None:
    """Those that say something, one a line."""
    if as_json:
        print_json(row)
        return
    for name, value in row.items():
        if value not in (None, {}):
            click.echo(f"{name}: {value}")
