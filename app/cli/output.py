"""Tables for people, JSON for programs, and one form of complaint.

What agents wrote is shown as it is, except that control characters are spelled out: they must not
steer a terminal.
"""

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar, get_args

import click

MAX_BIGINT = 2**63 - 1
_GAP = 2
_NARROWEST_COLUMN = 8
_CONTROLS = {code: f"\\u{code:04x}" for code in (*range(32), *range(127, 160))}
_IN_TEXT = {code: escape for code, escape in _CONTROLS.items() if chr(code) not in "\n\t"}
# JSON escapes the other control characters itself.
_IN_JSON = {code: f"\\u{code:04x}" for code in range(127, 160)}

Command = TypeVar("Command", bound=Callable[..., Any])
ROW_ID = click.IntRange(1, MAX_BIGINT)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


def choice(literal: Any) -> click.Choice[str]:
    """One of a Literal's values."""
    return click.Choice(get_args(literal))


def page_options(command: Command) -> Command:
    """Adds `--limit` and `--cursor`."""
    cursor = click.option("--cursor", help="Next page: the cursor printed below the previous one.")
    size = click.IntRange(1, 100)
    limit = click.option("--limit", type=size, default=20, show_default=True, help="Rows a page.")
    return limit(cursor(command))


def encode_anything() -> None:
    """Lets no character end a command: what the terminal's encoding lacks is spelled out."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def complain(message: str) -> None:
    """Prints one line to stderr, in the form that every error of every command has."""
    click.echo(f"agent-sessions: {printable(' '.join(message.split()))}", err=True)


def print_json(value: Any) -> None:
    click.echo(json_text(value, indent=2))


def json_text(value: Any, indent: int | None = None) -> str:
    """Valid JSON in any encoding of the output."""
    import json  # noqa: PLC0415 - `--help` needs none

    is_unicode = (getattr(sys.stdout, "encoding", None) or "").lower().startswith("utf")
    separators = None if indent else (",", ":")
    text = json.dumps(
        value, indent=indent, separators=separators, ensure_ascii=not is_unicode, default=_plain
    )
    return text.translate(_IN_JSON)


def printable(text: str) -> str:
    """Control characters spelled out, except line breaks and tabs."""
    return text.translate(_IN_TEXT)


def print_text(text: str, **style: Any) -> None:
    """One or several lines, at full width."""
    click.echo(click.style(printable(text), **style))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A row a line. Only a terminal that is too narrow shortens cells, the widest first."""
    table = [list(columns), *([_cell_text(value) for value in row] for row in rows)]
    widths = [max(map(_width, column)) for column in zip(*table, strict=True)]
    if sys.stdout is not None and sys.stdout.isatty():
        _narrow(widths, _terminal_columns())
    for number, row in enumerate(table):
        cells = [_fitted(text, width) for text, width in zip(row, widths, strict=True)]
        line = (" " * _GAP).join(cells).rstrip()
        click.echo(line if number else click.style(line, bold=True))


def show_page(page: Any, columns: list[str], rows: list[Any], *, as_json: bool) -> None:
    """The page as the server sent it, or as a table that says how to get the next one."""
    if as_json:
        print_json(page)
        return
    print_table(columns, rows)
    if page["next_cursor"]:
        print_text(f"more: --cursor {page['next_cursor']}")


def show_fields(row: dict[str, Any], *, as_json: bool) -> None:
    """The fields that have a value, one a line."""
    if as_json:
        print_json(row)
        return
    for name, value in row.items():
        if value not in (None, {}):
            print_text(f"{name}: {value}")


def given(parameters: dict[str, Any]) -> dict[str, Any]:
    """The parameters that were given."""
    return {name: value for name, value in parameters.items() if value not in (None, [])}


def when(instant: str | None) -> str:
    return "" if instant is None else instant[:19].replace("T", " ")


def cell(value: Any) -> str:
    """A value in one line of a table."""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else str(value).partition("\n")[0]


def _cell_text(value: object) -> str:
    return "" if value is None else " ".join(str(value).splitlines()).translate(_CONTROLS)


def _terminal_columns() -> int:
    """`shutil` would tell as well, and imports three compression libraries."""
    configured = os.environ.get("COLUMNS", "")
    if configured.isdecimal() and int(configured):
        return int(configured)
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


def _width(text: str) -> int:
    """Columns of a terminal."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width  # noqa: PLC0415 - see `json_text`

    return sum(0 if combining(c) else 1 + (east_asian_width(c) in "WF") for c in text)


def _narrow(widths: list[int], available: int) -> None:
    excess = sum(widths) + _GAP * (len(widths) - 1) - available
    while excess > 0 and (widest := max(widths)) > _NARROWEST_COLUMN:
        widths[widths.index(widest)] -= 1
        excess -= 1


def _fitted(text: str, width: int) -> str:
    if _width(text) > width:
        while _width(text) >= width:
            text = text[:-1]
        text += "…"
    return text + " " * (width - _width(text))


def _plain(value: Any) -> Any:
    """What the commands on the server's machine show: structs, times, UUIDs."""
    import msgspec  # noqa: PLC0415 - answers of a server need none

    return msgspec.to_builtins(value)
