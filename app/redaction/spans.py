"""Spans of secrets, their markers, and the placeholders that hide nothing."""

import re
from collections.abc import Callable

MARKER = r"\[REDACTED:[a-z_]{1,40}\]"
# In JSON inside a string a line break is a backslash and an n, which is no part of the next word.
START = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrt]))"
# Signs are sought in JSON as well, which escapes them.
BLANK = r"(?:[ \t]|\\t)"
# A whole value that hides nothing: empty, a marker, a variable, a template, a row of stars. What
# stands inside brackets assigns nothing, or redacting that would change what the value is.
HARMLESS = re.compile(
    rf"\s*+(?:(?i:bearer|basic|token)\s++)?(?:{MARKER}|\$\w+|\$\([^()=:\"'\\]*\)"
    r"|\$?\{\{?[^{}=:\"'\\]*\}{1,2}|\$\{\w+:?[-?+][^{}=:\"'\\]*\}|<[^<>=:\"'\\]*>"
    r"|%\w+%|%[sdrv]|[*.xX•…]{3,})?\s*+",
    re.ASCII,
)

Span = tuple[int, int, str]
Decide = Callable[[str, re.Match[str]], Span | None]


def marker(name: str) -> str:
    return f"[REDACTED:{name}]"


def replace(text: str, searched: str, pattern: re.Pattern[str], decide: Decide) -> str:
    """Replaces the spans that `decide` returns for matches in `searched`, which is `text` or its
    lower case; after a match without a span the search goes on.

    Returns `text` itself when nothing was replaced.
    """
    pieces: list[str] = []
    kept = position = 0
    while match := pattern.search(searched, position):
        position = match.end()
        if span := decide(text, match):
            start, position, name = span
            pieces += text[kept:start], marker(name)
            kept = position
    return "".join((*pieces, text[kept:])) if pieces else text
