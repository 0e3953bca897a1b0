"""Writes the documents that are generated from the code: `make documents`."""

from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

from app.schemas.events import ENTITY_IDS, EVENTS, Payload

FOLDER = Path(__file__).parent
_JSON_TYPES = {
    "int": "integer",
    "str": "text",
    "bool": "boolean",
    "UUID": "text",
    "NoneType": "null",
}
_HEAD = """# Feed events

Every change of an account's data is an event: read them with `GET /api/feed`, follow them with
`GET /api/feed/stream`. An event's `name` is `<entity_kind>.<event>`, `entity_id` identifies the
entity, and `payload` holds the fields below. Events of one account are numbered without a gap, in
the order in which their transactions committed. Heartbeats record no event.

This page is generated from `app/schemas/events.py`.
"""


def events() -> str:
    sections = [_HEAD]
    for kind, key in ENTITY_IDS.items():
        own = {name: event for name, event in EVENTS.items() if name.partition(".")[0] == kind}
        rows = [f"| `{name}` | {event.meaning} |" for name, event in own.items()]
        payloads: dict[type[Payload], list[str]] = {}
        for name, event in own.items():
            payloads.setdefault(event.payload, []).append(name)
        sections.append(
            "\n".join(
                [
                    f"## {kind}\n",
                    f"`entity_id` is the {kind.replace('_', ' ')}'s `{key}`.\n",
                    "| event | meaning |",
                    "|---|---|",
                    *rows,
                    "",
                    *(
                        _payload(payload, names if len(payloads) > 1 else [])
                        for payload, names in payloads.items()
                    ),
                ]
            )
        )
    return "\n".join(sections)


def _payload(payload: type[Payload], names: list[str]) -> str:
    fields = [
        f"`{name}` ({_type(payload.__annotations__[name])})" for name in payload.__struct_fields__
    ]
    of = f" of {', '.join(f'`{name}`' for name in names)}" if names else ""
    if not fields:
        return f"Payload{of}: none.\n"
    note = f" {' '.join(payload.__doc__.split())}" if payload.__doc__ else ""
    return f"Payload{of}: {', '.join(fields)}.{note}\n"


def _type(annotation: Any) -> str:
    if get_origin(annotation) in {Union, UnionType}:
        return " or ".join(dict.fromkeys(_type(part) for part in get_args(annotation)))
    return _JSON_TYPES[annotation.__name__]


if __name__ == "__main__":
    (FOLDER / "events.md").write_text(events())
