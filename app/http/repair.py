"""Repairs of bodies whose senders we do not control."""

import codecs
import re

_ENCODINGS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# A pair of surrogates, half of one, or any other escape.
_ESCAPE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
    r"|\\.",
    re.DOTALL,
)


def repaired(body: bytes) -> bytes:
    """Take off a byte order mark, and replace by U+FFFD what is no character: bytes that are not
    UTF-8, and halves of surrogate pairs."""
    encoding = "utf-8"
    for mark, marked in _ENCODINGS:
        if body.startswith(mark):
            body, encoding = body[len(mark) :], marked
            break
    text = body.decode(encoding, errors="replace")
    return _ESCAPE.sub(lambda m: "\\ufffd" if m["half"] else m[0], text).encode()
