"""Every error a caller may see. A class's docstring is its default message."""

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import asyncpg

Cause = TypeVar("Cause", bound=BaseException)


class FieldError:
    """An invalid field; `path` is dotted, list indexes included (`3.result.status`)."""

    __slots__ = ("message", "path")

    def __init__(self, path: str, message: str) -> None:
        self.path = path
        self.message = message


class AppError(Exception):
    """The request could not be carried out."""

    status: ClassVar[int] = 500
    default_code: ClassVar[str] = "internal_error"

    def __init__(
        self, message: str | None = None, *, code: str | None = None, **details: Any
    ) -> None:
        self.message = message or (type(self).__doc__ or "").strip()
        self.code = code or self.default_code
        self.details = details
        super().__init__(self.message)


class Malformed(AppError):
    """The request body is not valid JSON."""

    status = 400
    default_code = "malformed"


class Unauthenticated(AppError):
    """A valid token is required."""

    status = 401
    default_code = "unauthenticated"


class Forbidden(AppError):
    """Your role or your token does not allow this."""

    status = 403
    default_code = "forbidden"


class NotFound(AppError):
    """There is no such resource."""

    status = 404
    default_code = "not_found"


class Conflict(AppError):
    """The request conflicts with the current state."""

    status = 409
    default_code = "conflict"


class PreconditionFailed(AppError):
    """The resource has changed since the version in If-Match."""

    status = 412
    default_code = "version_mismatch"


class UnsupportedMediaType(AppError):
    """The body must be application/json."""

    status = 415
    default_code = "unsupported_media_type"


class Invalid(AppError):
    """Some fields are invalid."""

    status = 422
    default_code = "invalid"

    def __init__(self, *errors: FieldError, code: str | None = None) -> None:
        self.errors = errors
        super().__init__(code=code)

    @classmethod
    def field(cls, path: str, message: str, *, code: str | None = None) -> "Invalid":
        return cls(FieldError(path, message), code=code)


class TooManyRequests(AppError):
    """Too many requests with this token; try again later."""

    status = 429
    default_code = "too_many_requests"

    def __init__(self, retry_after: int) -> None:
        self.retry_after = retry_after
        """Seconds."""
        super().__init__()


class SessionTypeFailed(AppError):
    """The session type failed."""

    status = 502
    default_code = "session_type_failed"


class Unavailable(AppError):
    """The database cannot serve this right now; try again."""

    status = 503
    default_code = "unavailable"
    retry_after = 1
    """Seconds."""


_constraint_errors: dict[str, Callable[[], AppError]] = {}


def on_violation(constraint: str, error: Callable[[], AppError]) -> None:
    """Registers what a violated constraint means to a caller."""
    _constraint_errors[constraint] = error


def violation(error: BaseException) -> AppError | None:
    """What a violated constraint means to a caller: as registered, or a plain Conflict. None when
    the error is not a violated constraint."""
    refused = _caused_by(error, asyncpg.IntegrityConstraintViolationError)
    return None if refused is None else from_violation(refused.constraint_name)


def is_deadlock(error: BaseException) -> bool:
    """Whether PostgreSQL ended this transaction to resolve a deadlock."""
    return _caused_by(error, asyncpg.DeadlockDetectedError) is not None


def _caused_by(error: BaseException | None, kind: type[Cause]) -> Cause | None:
    """The error and its causes: SQLAlchemy wraps the errors of PostgreSQL."""
    while error is not None and not isinstance(error, kind):
        error = error.__cause__
    return error


def from_violation(constraint: str | None) -> AppError:
    return _constraint_errors.get(constraint or "", Conflict)()
