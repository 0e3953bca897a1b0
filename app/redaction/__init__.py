"""Redacts secrets in text and documents before anything is stored.

Every string the server keeps passes through here. RE2 looks once for the signs that every kind of
secret gives, and finds none in nearly all text. Only then are the patterns tried, which follow two
rules. Each starts at a literal that `re` finds with memchr (`_`, `eyJ`, `://`) and looks *behind*
it for the rest of a prefix: an alternation of fifty prefixes would cost `re` fifty times as much.
And no pattern runs over the same characters from two starting points: what a repetition may cross
never contains the literal at which another attempt starts, or the repetition is bounded.
"""

from typing import Any, TypeVar

import re2

from app.redaction import assignments, tokens
from app.redaction.assignments import redact_assignments, sensitive_key
from app.redaction.spans import HARMLESS, marker
from app.redaction.tokens import redact_tokens

__all__ = ["is_suspicious", "redact_document", "redact_text"]

Document = TypeVar("Document")

_SUSPICIOUS = re2.compile(
    "|".join(f"(?:{sign})" for sign in [*tokens.signs(), *assignments.signs()])
)


def is_suspicious(encoded: bytes) -> bool:
    """Whether there may be secrets in this text, or in the document that `msgspec` encoded as this
    JSON. If not, redaction would change nothing."""
    return _SUSPICIOUS.search(encoded) is not None


def redact_text(text: str) -> str:
    """Returns the same object when nothing had to change."""
    if not is_suspicious(text.encode(errors="surrogatepass")):
        return text
    return redact_assignments(redact_tokens(text))


def redact_document(value: Document) -> Document:
    """Returns the same object when nothing had to change, else a copy.

    A string under a sensitive key is replaced as a whole, whatever it looks like.
    """
    strings: list[str] = []
    pending: list[Any] = [value]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            strings.extend(node)
            for key, item in node.items():
                if isinstance(item, str):
                    if sensitive_key(key) and not HARMLESS.fullmatch(item):
                        return _rebuild(value)
                    strings.append(item)
                elif isinstance(item, dict | list):
                    pending.append(item)
        elif isinstance(node, list):
            pending += node
        elif isinstance(node, str):
            strings.append(node)
    # One search serves all strings: no pattern goes past a line break and a NUL or needs to.
    joined = "\n\0".join(strings)
    return value if redact_text(joined) is joined else _rebuild(value)


def _rebuild(value: Document) -> Document:
    """Works without recursion, because a document may be nested deeper than Python recurses."""
    result: list[Document] = []
    pending: list[tuple[Any, Any]] = [([value], result)]
    while pending:
        source, target = pending.pop()
        if isinstance(source, dict):
            for key, item in source.items():
                name = sensitive_key(key) if isinstance(item, str) else None
                target[_free_key(redact_text(key), target)] = (
                    marker(name) if name and not HARMLESS.fullmatch(item) else _copy(item, pending)
                )
        else:
            target += [_copy(item, pending) for item in source]
    return result[0]


def _copy(item: object, pending: list[tuple[Any, Any]]) -> object:
    """Copies a container empty and leaves its content pending."""
    if isinstance(item, str):
        return redact_text(item)
    if isinstance(item, dict | list):
        copy: dict[str, Any] | list[Any] = type(item)()
        pending.append((item, copy))
        return copy
    return item


def _free_key(key: str, taken: dict[str, Any]) -> str:
    """Two secrets used as keys become the same marker; this keeps both entries."""
    return key if key not in taken else f"{key} {len(taken)}"
