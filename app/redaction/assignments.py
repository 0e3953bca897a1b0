"""Secrets that only the name before them gives away: `DB_PASSWORD=…`, `"token": "…"`."""

import re
from functools import lru_cache
from typing import NamedTuple

from app.redaction.spans import BLANK, HARMLESS, START, Span, replace

# What stands after a sensitive word in source, schemas, help texts and prose.
_PLAIN = re.compile(
    r"a|access|and|any|api_key|apikey|as|at|auth|authentication|authorization|auto|base64|"
    r"basic|bearer|bool|boolean|bytes|by|can|char|cookie|credential|credentials|default|"
    r"digest|empty|enabled|expired|false|field|file|flag|for|from|hidden|if|in|include|input|"
    r"int|integer|invalid|is|it|key|like|link|md5|missing|must|new|nil|no|none|not|null|"
    r"number|object|omit|on|optional|option|or|parameter|passphrase|passwd|password|prompt|"
    r"required|reset|same-origin|secret|secretstr|self|session|sha256|should|str|string|text|"
    r"that|the|this|to|token|true|type|uint8array|undefined|unknown|user|username|utf8|value|"
    r"via|void|when|will|with|you|your",
    re.IGNORECASE,
)
_PASSWORDS = ("password", "passwd", "passphrase")
_KEY_KINDS = (
    *("access", "account", "api", "auth", "encryption"),
    *("master", "private", "secret", "signing", "subscription"),
)
_WORDS = {
    **{f"{kind}token": "token" for kind in ("", "access", "api", "auth", "refresh")},
    **{f"{whose}{word}": "password" for whose in ("", "db", "my", "pg") for word in _PASSWORDS},
    **{f"{kind}{dash}key": f"{kind}_key" for kind in _KEY_KINDS for dash in ("_", "-", "")},
    **{f"{kind}_code": "oauth_code" for kind in ("auth", "authorization", "device")},
    "secret": "secret",
    "authorization": "authorization",
    "cookie": "cookie",
    "credential": "credential",
    "credentials": "credential",
    "_pass": "password",
    "_pwd": "password",
}
_ENDINGS = tuple(_WORDS)
# People choose these, so they may be short and plain; machines generate the others.
_CHOSEN = frozenset({"password", "secret"})
_WORD_BEGIN = re.compile(rf"{START}|(?<=[a-z0-9])(?=[A-Z])")
_WORD_REACH = 32  # longer than any of them
_KEY_REACH = 64
_KEY_CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"

# Searched in lower-cased text, each word from its rarest letter; `_sensitive_word` decides.
_ASSIGNMENT = re.compile(
    r"(?P<key>k(?:(?<=[eghinrst_-]k)ey|(?<=tok)en|(?<=cook)ie)|w(?<=passw)(?:or)?d|z(?<=authoriz)ation"
    r"|c(?:(?<=sec)ret|redentials?|(?<=_c)ode)|p(?:(?<=passp)hrase|(?<=_p)(?:ass|wd)))"
    r"[\"'\\\]]{0,8}(?:[ \t]{0,8}(?P<sep>:[ ]?[a-z_][\w.|\[\] ]{0,40}=(?=[ ]?[\"'])"
    r"|:=|=>|[:=>])(?!=)[ \t]{0,8}|[ ](?='))"
)
_OPTION = re.compile(
    r"(?P<key>--[a-z0-9_]{1,32}(?:-[a-z0-9_]{1,32}){0,4})(?P<sep>[ \t]{1,2})(?=[^\s-])"
)
_QUOTE = re.compile(r"(?:[rbfu]{1,2}(?=[\"']))?((?:\\{1,3})?[\"']|`)", re.IGNORECASE)
# Inside quotes that are themselves escaped n times, a quote with more backslashes is content.
_INSIDE = {
    "\\" * depth + quote: re.compile(
        rf"(?:[^{quote}\\\r\n]++|\\++(?!{quote})|\\{{{depth + 1},}}+{quote})*"
    )
    for depth in range(4)
    for quote in "\"'`"
}
_BARE = re.compile(r"[^\s\"'`<>&;,(){}\[\]\\|=]{1,64}+")
_REST = re.compile(r"(?:[^\s\"'`<>&;,()\\]++|,(?=[^\s\"'=:,]{1,64}(?:\s|\Z)))*")
_PATH = re.compile(r"[~.]{0,2}(?:/[a-z._-]{1,40}+)+")
_NAME = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+|[a-z]+(?:_[a-z0-9]+)+", re.ASCII)
_DIGIT = re.compile(r"[0-9]")
_THREE_DIGITS = re.compile(r"(?:[^0-9]*+[0-9]){3}")
_FOUR_DIGITS = re.compile(r"(?:[^0-9]*+[0-9]){4}")
_LETTER = re.compile(r"[^\W\d_]")
_SYMBOL = re.compile(r"\w[@#%^*!~+]+\w")
_SCHEME = re.compile(
    r"(?:(?P<one>bearer|basic|token|api-?key|negotiate|key)|digest|oauth|aws4-hmac-sha256)"
    r"[ \t]{1,4}",
    re.IGNORECASE,
)
_CREDENTIAL = re.compile(r"[^\s\"'`\\,;<>()]+")
_LINE = re.compile(r"[^\r\n\"'`\\]+")
_METAVARIABLE = re.compile(r"[A-Z_-]+")
_SELF_REFERENCE = re.compile(
    r"pass|pwd|secret|token|key|credential|cookie|authoriz|_code", re.IGNORECASE
)
_COOKIES = re.compile(r"[^\s=;:,\"'`\\(){}<>]{1,64}=(?!=)[^\r\n\"'`\\]+")


def _sensitive_word(text: str, end: int) -> str | None:
    tail = text[max(0, end - _WORD_REACH) : end].lower()
    if not tail.endswith(_ENDINGS):
        return None
    for word, name in _WORDS.items():
        start = end - len(word)
        if tail.endswith(word) and (
            # `first_pass` and `PWD` are something else than `DB_PASS` and `MYSQL_PWD`.
            text[start:end].isupper() if word[0] == "_" else _WORD_BEGIN.match(text, start)
        ):
            return name
    return None


def sensitive_key(key: str) -> str | None:
    """The sensitive word that `key` is or ends with."""
    return _sensitive_tail(key[-_KEY_REACH:])


@lru_cache(maxsize=4096)
def _sensitive_tail(tail: str) -> str | None:
    return _sensitive_word(tail, len(tail))


class _Place(NamedTuple):
    """Where a value may start, and what stands before it."""

    name: str  # the sensitive word
    identifier: str  # the word with what it ends: DB_PASSWORD, --api-key, accessToken
    previous: str  # the character before the identifier
    separator: str
    start: int

    @property
    def is_option(self) -> bool:
        return self.identifier.startswith("--")

    @property
    def is_variable(self) -> bool:
        """Whether the name is that of an environment variable."""
        return self.separator == "=" and self.identifier.isupper()


def _assigned(text: str, match: re.Match[str]) -> Span | None:
    """The value assigned to a sensitive name, unless it is source code, prose or a placeholder."""
    end = match.end("key")
    name = _sensitive_word(text, end)
    if name is None:
        return None
    before = text[max(0, end - _KEY_REACH) : end]
    identifier = before[len(before.rstrip(_KEY_CHARACTERS)) :]
    begin = end - len(identifier)
    if text.endswith("[REDACTED:", 0, begin):  # the name in a marker is no key
        return None
    previous = text[begin - 1 : begin]
    if previous == "\\":  # the n of a written line break
        identifier = identifier[1:]
    place = _Place(name, identifier, previous, match["sep"] or " ", match.end())
    opener = _QUOTE.match(text, place.start)
    if opener:
        inside = _INSIDE[opener[1]].match(text, opener.end())
        return (*inside.span(), name) if inside and _is_quoted_secret(inside[0], place) else None
    return _header(text, place) or _bare(text, place)


def _header(text: str, place: _Place) -> Span | None:
    value = None
    if place.name == "cookie":
        value = _COOKIES.match(text, place.start)
    elif place.name == "authorization" and (scheme := _SCHEME.match(text, place.start)):
        value = (_CREDENTIAL if scheme["one"] else _LINE).match(text, scheme.end())
    if value is None or value[0][0] in "$%{[*." or _PLAIN.fullmatch(value[0]):
        return None
    return *value.span(), place.name


def _bare(text: str, place: _Place) -> Span | None:
    value = _BARE.match(text, place.start)
    if value is None:
        return None
    after = text[value.end() : value.end() + 10]
    if after.startswith(("(", "{")) or (after[:1] == "[" and after != "[REDACTED:"):
        return None  # a call, a template, an index
    if place.separator == ">":
        secret = place.previous == "<" and after.startswith("</")
    elif place.is_option:
        secret = not (place.identifier.startswith("--no-") or _METAVARIABLE.fullmatch(value[0]))
    elif place.is_variable:
        secret = _is_environment_secret(value[0], place.name)
    else:
        secret = _is_strong(value[0], place.name) or (
            place.separator == "=" and place.name in _CHOSEN and _ends_alone(value[0], after, place)
        )
    if not secret or _is_no_secret(value[0]):
        return None
    rest = _REST.match(text, value.end())
    return place.start, rest.end() if rest else value.end(), place.name


def _is_no_secret(value: str) -> bool:
    return bool(_PLAIN.fullmatch(value) or HARMLESS.fullmatch(value))


def _is_quoted_secret(value: str, place: _Place) -> bool:
    if place.name not in {"authorization", "cookie"}:
        # "Enter your password", or a command of which a part is redacted already.
        if (" " in value or "[REDACTED:" in value) and _SELF_REFERENCE.search(value):
            return False
        if not (place.name in _CHOSEN or place.is_option or place.is_variable) and (
            " " in value or len(value) < 8 or not _is_random(value)
        ):
            return False
    return not _is_no_secret(value)


def _is_environment_secret(value: str, name: str) -> bool:
    return (
        len(value) >= 3 and (name in _CHOSEN or not value.isdigit()) and not _PATH.fullmatch(value)
    )


def _is_strong(value: str, name: str) -> bool:
    has_digit = bool(_DIGIT.search(value))
    if name not in _CHOSEN:
        if not has_digit or len(value) < 10 or not _is_random(value):
            return False
    elif has_digit and _LETTER.search(value):
        if len(value) < 6:
            return False
    elif not _SYMBOL.search(value):
        return False
    return not _NAME.fullmatch(value) or bool(_FOUR_DIGITS.match(value))


def _ends_alone(value: str, after: str, place: _Place) -> bool:
    """Tells `password=swordfish` from an argument or a statement by what follows it."""
    return (
        len(value) >= 4
        and (after[:1].strip() in {"", "&", '"', "'"} or place.previous == ";")
        and not _NAME.fullmatch(value)
        and not _SELF_REFERENCE.search(value)
    )


def _is_random(value: str) -> bool:
    if _THREE_DIGITS.match(value):
        return bool(_LETTER.search(value))
    return bool(_DIGIT.search(value)) and value != value.lower() and value != value.upper()


def _lower(text: str) -> str:
    """Lower case with every character at its place: only U+0130 would grow."""
    return text.replace("\u0130", "I").lower()


def signs() -> list[str]:
    """As those of tokens, of `redact_assignments` and of sensitive keys."""
    words = "|".join(map(re.escape, _WORDS))
    return [
        rf"(?i:{words})[\"'\\\]]{{0,16}}(?:{BLANK}{{0,8}}[:=>]| ')",
        rf"--(?i:[a-z0-9_-]*(?:{words})){BLANK}{{1,2}}[^\s-]",
        "\u0130",  # `_lower` makes an i of it
    ]


def redact_assignments(text: str) -> str:
    for pattern in (_OPTION, _ASSIGNMENT):
        text = replace(text, _lower(text), pattern, _assigned)
    return text
