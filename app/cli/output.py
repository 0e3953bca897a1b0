"""Tables for people, JSON for programs."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar, get_args

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from app.schemas.base import MAX_BIGINT

Command = TypeVar("Command", bound=Callable[..., Any])

_CONTROL = {
    code: f"\\u{code:04x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"
}

ROW_ID = click.IntRange(1, MAX_BIGINT)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


def choice(literal: Any) -> click.Choice[str]:
    """One of a Literal's values."""
    return click.Choice(get_args(literal))


def page_options(command: Command) -> Command:
    """`--limit` and `--cursor`."""
    cursor = click.option("--cursor", help="The next_cursor of the page before.")
    size = click.IntRange(1, 100)
    return click.option("--limit", type=size, default=20, show_default=True)(cursor(command))


def print_json(value: Any) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def printable(text: str) -> str:
    """Control characters spelled out: what an agent wrote must not steer the terminal."""
    return text.translate(_CONTROL)


def plain(text: str, style: str = "") -> Text:
    """Shown as it is: rich would take brackets for markup and `:ok:` for an emoji."""
    return Text(printable(text), style=style)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    table = Table(*columns, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*(plain("" if cell is None else str(cell)) for cell in row))
    Console().print(table)


def show_page(page: Any, columns: list[str], rows: list[Any], *, as_json: bool) -> None:
    """The page as the server sent it, or as a table that says how to go on."""
    if as_json:
        print_json(page)
        return
    print_table(columns, rows)
    if page["next_cursor"]:
        click.echo(f"more: --cursor {page['next_cursor']}")


def show_fields(row: dict[str, Any], *, as_json: bool) -> None:
    """Those that say something, one a line."""
    if as_json:
        print_json(row)
        return
    for name, value in row.items():
        if value not in (None, {}):
            click.echo(printable(f"{name}: {value}"))


def given(parameters: dict[str, Any]) -> dict[str, Any]:
    """Those that were given."""
    return {name: value for name, value in parameters.items() if value not in (None, [])}


def when(instant: str | None) -> str:
    return "" if instant is None else instant[:19].replace("T", " ")


def cell(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else str(value).partition("\n")[0]
