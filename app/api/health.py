from typing import Any

from litestar import Request

from app.http.routing import route
from app.schemas.base import Output


class Health(Output):
    status: str


@route("GET", "/health/live", tag="health", reach="public", security=[{}])
async def health_live() -> Health:
    """The process answers; it does not ask the database."""
    return Health(status="ok")


@route("GET", "/health/ready", tag="health", reach="public", security=[{}])
async def health_ready(request: Request[Any, Any, Any]) -> Health:
    """The database answers, and its schema is the one this version needs."""
    await request.app.state.database.require_revision(request.app.state.revision)
    return Health(status="ok")
