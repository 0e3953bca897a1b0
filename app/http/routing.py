"""Declares every route: its operation id, errors and pagination in one place."""

import datetime
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import quote

import msgspec
from litestar import Response, delete, get, patch, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter

from app.errors import Invalid
from app.http.body import refuse_fields
from app.http.etags import has_version
from app.http.openapi import operation_with
from app.http.problems import MEDIA_TYPE, Problem
from app.http.responses import Answer
from app.schemas.base import MAX_BIGINT, MAX_PAGE, Instant

Out = TypeVar("Out")
Limit = Annotated[int, QueryParameter(ge=1, le=MAX_PAGE, description="Rows per page.")]
Cursor = Annotated[
    str | None,
    QueryParameter(max_length=1000, description="The next_cursor of the page before."),
]

Moment = Annotated[str | None, QueryParameter(schema_extra={"format": "date-time"})]
OptionalId = Annotated[int | None, QueryParameter(ge=1, le=MAX_BIGINT)]

_DESCRIPTIONS = {
    400: "The body is not valid JSON.",
    401: "The token is missing, malformed, unknown, expired or revoked.",
    403: "The role or the token does not allow this.",
    404: "There is no such resource, or this token cannot see it.",
    405: "The resource has no such method.",
    409: "The request conflicts with the current state.",
    412: "The resource has changed since the version in If-Match.",
    413: "The body is larger than this server accepts.",
    415: "The body is not application/json.",
    422: "Some fields are invalid; `errors` names them.",
    429: "Too many requests with this token; `Retry-After` says when to try again.",
    502: "The session type, which may come from another package, failed.",
    503: "The database cannot serve this right now.",
}
_DECORATORS: dict[str, Any] = {
    "GET": get,
    "POST": post,
    "PUT": put,
    "PATCH": patch,
    "DELETE": delete,
}
Reach = Literal["public", "account", "project"]
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


def route(
    method: str,
    path: str,
    status: int = 200,
    *,
    tag: str,
    reach: Reach,
    also: Sequence[int] = (),
    **options: Any,
) -> Callable[[Callable[..., Any]], HTTPRouteHandler]:
    """Declares a route, named as its function. `also` lists the other successful statuses, and 409
    and 502 where a route has them; any POST has a 409, since its Idempotency-Key may be in use.

    An `account` route shows or changes what no single project owns: a token made for one project
    is refused there. A `project` route shows such a token its own project's rows alone. A `public`
    route needs no token.
    """
    options["reach"] = reach
    if reach == "public":
        options["public"] = True
    statuses = {401, 403, 404, 422, 429, 503}
    headers = [] if reach == "public" else ["X-Project"]
    if method in _WITH_BODY:
        statuses |= {400, 413, 415}
    if method != "GET" and (method != "POST" or "{" in path):  # a new resource has no version yet
        statuses.add(412)
        headers.append("If-Match")
    if method == "POST":
        statuses.add(409)
        headers.append("Idempotency-Key")
    errors = {s for s in also if s >= 400} | statuses
    responses = {
        s: ResponseSpec(
            Problem, media_type=MEDIA_TYPE, description=_DESCRIPTIONS[s], generate_examples=False
        )
        for s in sorted(errors)
    }

    def decorate(function: Callable[..., Any]) -> HTTPRouteHandler:
        for success in also:
            if success < 400:
                responses[success] = ResponseSpec(
                    _content_type(function), description="Nothing had to change."
                )
        if method in _WITH_BODY and "data" not in function.__annotations__:
            options["before_request"] = refuse_fields
        if method == "GET" and has_version(function.__annotations__["return"]):
            responses[304] = ResponseSpec(None, description="Still the version in If-None-Match.")
            headers.append("If-None-Match")
        name = function.__name__
        handler: HTTPRouteHandler = _DECORATORS[method](
            path,
            status_code=status,
            operation_id=name,
            operation_class=operation_with(*headers),
            summary=name.replace("_", " ").capitalize(),
            tags=[tag],
            responses=responses,
            **options,
        )(function)
        return handler

    return decorate


def _content_type(function: Callable[..., Any]) -> Any:
    annotation = function.__annotations__["return"]
    arguments = getattr(annotation, "__args__", None)
    return arguments[0] if arguments else annotation


def parse_moment(name: str, text: str | None) -> datetime.datetime | None:
    """Parses an RFC 3339 time with a time zone. Raises Invalid, also for a bare number and for a
    time outside the years 1–9999 of UTC."""
    if text is None:
        return None
    try:
        moment: datetime.datetime = msgspec.json.decode(msgspec.json.encode(text), type=Instant)
        return moment.astimezone(datetime.UTC)
    except (msgspec.ValidationError, OverflowError) as error:
        raise Invalid.field(name, str(error)) from None


def created(content: Out, location: str, status: int = 201) -> Response[Out]:
    """Answers 201, or `status`, with the Location of the resource."""
    return Answer(content, status_code=status, headers={"Location": location})


def location(collection: str, key: str) -> str:
    """The path of a row whose id the client chose, and which may contain any character."""
    return f"{collection}/{quote(key, safe='')}"
