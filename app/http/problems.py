"""Renders errors as RFC 9457 problem documents."""

from typing import Any

import asyncpg
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.types import ExceptionHandlersMap
from sqlalchemy.exc import DBAPIError

from app.errors import (
    AppError,
    FieldError,
    Invalid,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
    violation,
)
from app.schemas.base import Output

MEDIA_TYPE = "application/problem+json"
_log = structlog.get_logger()

_TITLES = {
    400: "Malformed request",
    401: "Authentication required",
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    412: "Precondition failed",
    413: "Request too large",
    415: "Unsupported media type",
    422: "Invalid request",
    429: "Too many requests",
    500: "Internal error",
    502: "Session type failed",
    503: "Service unavailable",
}
_CODES = {
    400: "malformed",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
}
_NOT_FOUND = "There is no such resource."


class ProblemField(Output):
    path: str
    message: str


class Problem(Output, omit_defaults=True):
    """An error. `code` is stable; `errors` names every invalid field."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: list[ProblemField] = []


def problem_response(
    request: Request[Any, Any, Any],
    status: int,
    code: str,
    detail: str,
    *,
    errors: tuple[FieldError, ...] = (),
    details: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
) -> Response[dict[str, Any]]:
    content: dict[str, Any] = {
        **(details or {}),
        "type": f"urn:agent-sessions:problem:{code}",
        "title": _TITLES.get(status, "Error"),
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": request.scope.get("request_id", ""),
    }
    if errors:
        content["errors"] = [{"path": e.path, "message": e.message} for e in errors]
    return Response(content, status_code=status, media_type=MEDIA_TYPE, headers=headers or {})


def handle_app_error(request: Request[Any, Any, Any], error: AppError) -> Response[Any]:
    if error.status >= 500:
        _log.warning(
            error.message, request_id=request.scope.get("request_id"), reason=str(error.__cause__)
        )
    return problem_response(
        request,
        error.status,
        error.code,
        error.message,
        errors=error.errors if isinstance(error, Invalid) else (),
        details=error.details,
        headers=_headers(error),
    )


def _headers(error: AppError) -> dict[str, str] | None:
    if isinstance(error, Unauthenticated):
        return {"WWW-Authenticate": "Bearer"}
    if isinstance(error, (TooManyRequests, Unavailable)):
        return {"Retry-After": str(error.retry_after)}
    return None


def handle_http_exception(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    """Renders what Litestar itself refuses: unknown paths, methods, parameters, and bodies too
    large."""
    status = error.status_code
    if isinstance(error, ValidationException):
        return _handle_validation(request, error)
    headers = {name.title(): value for name, value in (error.headers or {}).items()}
    detail = _NOT_FOUND if status == 404 else error.detail
    return problem_response(request, status, _CODES.get(status, "error"), detail, headers=headers)


def _handle_validation(
    request: Request[Any, Any, Any], error: ValidationException
) -> Response[Any]:
    extra = [item for item in error.extra or [] if isinstance(item, dict)]
    if any(item.get("key") == "data" for item in extra) or not extra:
        return problem_response(request, 400, "malformed", "The request needs a JSON body.")
    errors = tuple(FieldError(str(item.get("key")), str(item.get("message"))) for item in extra)
    return handle_app_error(request, Invalid(*errors))


def handle_database_error(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Renders an error of PostgreSQL: a violated constraint as what it means; a lost connection, a
    full disk, a deadlock or a lock timeout as 503, to be tried again."""
    if (violated := violation(error)) is not None:
        return handle_app_error(request, violated)
    lost = (
        asyncpg.PostgresConnectionError,
        asyncpg.OperatorInterventionError,
        asyncpg.InsufficientResourcesError,
        asyncpg.DeadlockDetectedError,
        asyncpg.LockNotAvailableError,
    )
    if isinstance(error, lost) or isinstance(getattr(error.__cause__, "__cause__", None), lost):
        return handle_app_error(request, Unavailable())
    return handle_unexpected(request, error)


def handle_unexpected(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    _log.error("unexpected error", request_id=request.scope.get("request_id"), exc_info=error)
    return problem_response(request, 500, "internal_error", "Something went wrong on our side.")


EXCEPTION_HANDLERS: ExceptionHandlersMap = {
    AppError: handle_app_error,
    HTTPException: handle_http_exception,
    DBAPIError: handle_database_error,
    asyncpg.PostgresError: handle_database_error,
    asyncpg.InterfaceError: handle_database_error,
    Exception: handle_unexpected,
}
