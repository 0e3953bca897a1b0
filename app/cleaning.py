"""Prepares JSON documents for the database: redacts secrets, cuts strings to size, applies
patches."""

from typing import Any, TypeVar

import msgspec

from app.redaction import is_suspicious, redact_document, redact_text

Document = TypeVar("Document")

_encode = msgspec.json.Encoder().encode
MAX_STRING_BYTES = 256 * 1024


def clean_text(text: str) -> str:
    """Redacts secrets and truncates to 256 KiB of UTF-8."""
    return truncate(redact_text(text))


def clean_within(limit: int, text: str | None) -> str | None:
    """As `clean_text`, but within so many characters: the marker may be longer than the secret."""
    return None if text is None else clean_text(text)[:limit]


def clean(document: Document) -> Document:
    """Redacts secrets in a JSON value and truncates each of its strings to 256 KiB."""
    cleaned: Document = truncate_all(redact_document(document))
    return cleaned


def is_clean(document: Any) -> bool:
    """Whether `clean` and `clean_text` would change nothing. Takes a fraction of their time, and is
    true of nearly every document."""
    encoded = _encode(document)
    # A JSON document is at least as long as each string in it.
    return len(encoded) <= MAX_STRING_BYTES and not is_suspicious(encoded)


def is_same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal. To `==` true equals 1, so a change from one to the other
    would be lost."""
    if one != other:
        return False
    pending = [(one, other)]
    while pending:
        one, other = pending.pop()
        if isinstance(one, bool) is not isinstance(other, bool):
            return False
        if isinstance(one, dict):
            pending += [(value, other[key]) for key, value in one.items()]
        elif isinstance(one, list):
            pending += zip(one, other, strict=True)
    return True


def truncate(text: str, limit: int = MAX_STRING_BYTES) -> str:
    """Keeps the beginning and the end; a marker between them says how many bytes are missing."""
    if len(text) * 4 <= limit:
        return text
    encoded = text.encode()
    if len(encoded) <= limit:
        return text
    half = kept_at_each_end(limit)
    return elide(encoded[:half], encoded[-half:], len(encoded))


def kept_at_each_end(limit: int) -> int:
    return (limit - 64) // 2  # 64 bytes are more than the marker takes


def elide(head: bytes, tail: bytes, length: int) -> str:
    """Joins the two ends of a text of `length` bytes with a marker for the bytes missing between
    them."""
    beginning, end = head.decode(errors="ignore"), tail.decode(errors="ignore")
    missing = length - len(beginning.encode()) - len(end.encode())
    return f"{beginning}\n[… {missing} bytes truncated …]\n{end}"


def merge_patch(target: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """Applies an RFC 7396 merge patch to an object."""
    merged = dict(target)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            below = merged.get(key)
            merged[key] = merge_patch(below if isinstance(below, dict) else {}, value)
        else:
            merged[key] = value
    return merged


def truncate_all(value: Any) -> Any:
    """Truncates each string of a JSON value as `truncate` does."""
    if isinstance(value, str):
        return truncate(value)
    if isinstance(value, list):
        return [truncate_all(item) for item in value]
    if isinstance(value, dict):
        return {key: truncate_all(item) for key, item in value.items()}
    return value
