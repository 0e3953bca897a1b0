"""Request bodies: from bytes to a schema, with an error for every field that is wrong."""

import datetime
import re
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple, get_args, get_origin

import msgspec
from litestar import Request
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler

from app.errors import FieldError, Invalid, Malformed, UnsupportedMediaType
from app.http.repair import repaired
from app.schemas.base import Input

MAX_DEPTH = 64
_INT64 = range(-(2**63), 2**63)

# Cheap hints, found without decoding, that PostgreSQL or our rules may refuse a body. Only then is
# it worth the exact check, which is much slower.
_LONG_NUMBER = b"0" * 19
_ALL_ZEROS = bytes.maketrans(b"123456789", b"0" * 9)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")
_PATH = re.compile(r"^(?P<message>.*?)(?: - at `(?P<path>\$[^`]*)`)?$", re.DOTALL)


class _Expected(NamedTuple):
    schema: Any
    decoder: msgspec.json.Decoder[Any]
    nul_allowed_in: str | None
    """Below this key (`*` for everywhere) NUL characters are replaced, not refused."""
    takes_anything: bool
    """Values too large or too deep are stored as text: a hook cannot correct what it sends."""


class _Nothing(Input):
    pass


_NOTHING = _Expected(_Nothing | None, msgspec.json.Decoder(_Nothing | None), None, False)


@cache
def _expected(handler: HTTPRouteHandler) -> _Expected:
    """Looked up by the handler: hashing a union takes longer than decoding a document."""
    schema = handler.parsed_fn_signature.parameters["data"].annotation
    decoder = msgspec.json.Decoder(schema)
    opt = handler.opt
    return _Expected(schema, decoder, opt.get("nul_allowed_in"), opt.get("takes_anything", False))


class ApiRequest(Request[Any, Any, State]):
    """Decodes the body as the handler's `data` parameter says."""

    async def json(self) -> Any:
        body = await self.body()
        require_json(self)
        return decode(body, _expected(self.route_handler))


async def refuse_fields(request: Request[Any, Any, Any]) -> None:
    """Accepts an absent body or an empty object, for a verb that has no fields."""
    body = await request.body()
    if body:
        require_json(request)
        decode(body, _NOTHING)


def require_json(request: Request[Any, Any, Any]) -> None:
    """Raises UnsupportedMediaType for another Content-Type than JSON; a missing one passes as
    JSON."""
    media_type = request.headers.get("content-type", "application/json").partition(";")[0].strip()
    if not (media_type == "application/json" or media_type.endswith("+json")):
        raise UnsupportedMediaType


def replace_nul(body: bytes) -> bytes:
    """Replaces every NUL character, which jsonb cannot hold, by U+FFFD. An escaped backslash before
    `u0000` is left alone."""
    return _NUL.sub(rb"\1\\ufffd", body) if b"\\u0000" in body else body


def decode(body: bytes, expected: _Expected) -> Any:
    """Decode a body; one whose sender we do not control is repaired if that makes it JSON.

    Raises Malformed for a body that is not JSON, Invalid for one that the schema does not allow.
    """
    try:
        return _decode(body, expected)
    except Malformed:
        if not expected.takes_anything:
            raise
        return _decode(repaired(body), expected)


def _decode(body: bytes, expected: _Expected) -> Any:
    schema, decoder, nul_allowed_in, takes_anything = expected
    if nul_allowed_in == "*":
        body = replace_nul(body)
    zeros, escaped = body.translate(_ALL_ZEROS), rb"\u00" in body
    odd = (escaped and rb"\u0000" in body) or _LONG_NUMBER in zeros or _maybe_deep(body)
    if odd and not takes_anything:
        document = _document(body)
        if nul_allowed_in not in {None, "*"}:
            document = _replace_nul_below(document, nul_allowed_in)
            body = msgspec.json.encode(document)
        errors = list(_forbidden(document, ()))
        if errors:
            raise Invalid(*errors)
    try:
        decoded = decoder.decode(body)
        if odd and takes_anything:
            # An event must mean the same on its own and inside an array.
            decoded = _bearable(decoded, -1 if isinstance(decoded, list) else 0)
    except msgspec.ValidationError:
        raise Invalid(*_field_errors(_document(body), schema)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"The request body is not valid JSON: {error}") from None
    dated = b'"0000-' in zeros and (b'"0001-' in body or b'"9999-' in body)
    if dated or escaped:  # a digit may be escaped
        far = list(_beyond_time(decoded, ()))
        if far:
            raise Invalid(*far)
    return decoded


def _beyond_time(value: Any, path: tuple[str | int, ...]) -> Iterator[FieldError]:
    """Finds times whose year lies outside 1–9999 once converted to UTC."""
    if isinstance(value, datetime.datetime):
        try:
            value.astimezone(datetime.UTC)
        except OverflowError:
            yield FieldError(dotted(path), "must lie in the years 1 to 9999 of UTC")
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from _beyond_time(getattr(value, name), (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _beyond_time(item, (*path, index))


def _document(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"The request body is not valid JSON: {error}") from None


def _maybe_deep(body: bytes) -> bool:
    """Strips the innermost brackets, level by level. Brackets inside strings only cause a second,
    exact look."""
    brackets = body.translate(None, _NOT_BRACKETS)
    for _ in range(MAX_DEPTH):
        if not brackets:
            return False
        shorter = brackets.replace(b"[]", b"").replace(b"{}", b"")
        if len(shorter) == len(brackets):
            return True
        brackets = shorter
    return bool(brackets)


def _forbidden(document: Any, path: tuple[str | int, ...]) -> Iterator[FieldError]:
    """Finds NUL characters, integers beyond 64 bits, and values nested deeper than 64 levels."""
    if len(path) > MAX_DEPTH:
        yield FieldError(dotted(path[:8]), f"is nested deeper than {MAX_DEPTH} levels")
    elif isinstance(document, str) and "\0" in document:
        yield FieldError(dotted(path), "must not contain NUL characters")
    elif isinstance(document, int) and document not in _INT64:
        yield FieldError(dotted(path), "must fit into 64 bits")
    elif isinstance(document, list):
        for index, item in enumerate(document):
            yield from _forbidden(item, (*path, index))
    elif isinstance(document, dict):
        for key, item in document.items():
            # A NUL is forbidden in keys as well as in values.
            yield from _forbidden(key, (*path, "(key)")) if "\0" in key else ()
            yield from _forbidden(item, (*path, key))


def _bearable(value: Any, depth: int) -> Any:
    """Turns what `_forbidden` finds into text: an integer into its digits, a value nested too deep
    into its JSON."""
    if isinstance(value, int) and value not in _INT64:
        return str(value)
    if not value or not isinstance(value, list | dict):
        return value
    if depth == MAX_DEPTH:
        return msgspec.json.encode(value).decode()
    if isinstance(value, list):
        return [_bearable(item, depth + 1) for item in value]
    return {key: _bearable(item, depth + 1) for key, item in value.items()}


def _replace_nul_below(document: Any, key: str, *, below: bool = False) -> Any:
    if isinstance(document, str):
        return document.replace("\0", "\ufffd") if below else document
    if isinstance(document, list):
        return [_replace_nul_below(item, key, below=below) for item in document]
    if isinstance(document, dict):
        return {
            (name.replace("\0", "\ufffd") if below else name): _replace_nul_below(
                item, key, below=below or name == key
            )
            for name, item in document.items()
        }
    return document


def _field_errors(document: Any, schema: Any) -> list[FieldError]:
    """Tries each field on its own, since the decoder stops at the first error."""
    struct = _struct_of(schema, document)
    if struct is None:
        return (
            [_convert_error(document, schema, ())]
            if document is not None
            else [FieldError("", "must not be null")]
        )
    if isinstance(document, list):
        return [
            error
            for index, item in enumerate(document)
            for error in _object_errors(item, struct, (index,))
        ] or [_convert_error(document, schema, ())]
    return _object_errors(document, struct, ()) or [_convert_error(document, schema, ())]


def _object_errors(
    document: Any, struct: type[msgspec.Struct], path: tuple[str | int, ...]
) -> list[FieldError]:
    if not isinstance(document, dict):
        return [_convert_error(document, struct, path)]
    fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    errors = [
        FieldError(dotted((*path, name)), "is not a field of this request")
        for name in document
        if name not in fields
    ]
    for name, field in fields.items():
        if name not in document:
            if field.required:
                errors.append(FieldError(dotted((*path, name)), "is required"))
            continue
        try:
            msgspec.convert(document[name], field.type)
        except msgspec.ValidationError:
            errors += _value_errors(document[name], field.type, (*path, name))
    return errors


def _value_errors(value: Any, schema: Any, path: tuple[str | int, ...]) -> list[FieldError]:
    struct = _struct_of(schema, value)
    below = _object_errors(value, struct, path) if struct and isinstance(value, dict) else []
    return below or [_convert_error(value, schema, path)]


def _convert_error(document: Any, schema: Any, path: tuple[str | int, ...]) -> FieldError:
    try:
        msgspec.convert(document, schema)
    except msgspec.ValidationError as error:
        match = _PATH.match(str(error))
        assert match is not None, "the pattern matches any text"  # noqa: S101
        inner = (match["path"] or "$").removeprefix("$").lstrip(".")
        inner = inner.replace("[...]", ".*").replace("[", ".").replace("]", "").lstrip(".")
        return FieldError(dotted((*path, inner) if inner else path), match["message"])
    return FieldError(dotted(path), "is not valid")


def _struct_of(schema: Any, document: Any) -> type[msgspec.Struct] | None:
    """The struct that the document, or each of its items, was meant to be."""
    if isinstance(schema, type) and issubclass(schema, msgspec.Struct):
        return schema if not isinstance(document, list) else None
    origin = get_origin(schema)
    if origin is list and isinstance(document, list):
        return _struct_of(get_args(schema)[0], {})
    candidates = (_struct_of(part, document) for part in get_args(schema))
    return next((struct for struct in candidates if struct is not None), None)


def dotted(path: tuple[str | int, ...]) -> str:
    return ".".join(str(part) for part in path)
