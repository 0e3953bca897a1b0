from typing import Any

from litestar import Request

import app as package
from app.cleaning import MAX_STRING_BYTES
from app.contexts.idempotency import KEPT_HOURS
from app.http.body import MAX_DEPTH
from app.http.routing import route
from app.schemas.base import MAX_BATCH, MAX_PAGE, Output
from app.schemas.evidence import MAX_EVIDENCE_BATCH
from app.settings import Settings


class Limits(Output):
    """The limits a client must keep to, and the periods it can count on."""

    max_body_bytes: int
    max_string_bytes: int
    """Longer output of an agent is truncated in the middle."""
    max_depth: int
    max_batch: int
    """Objects in one array, except the evidence of a run."""
    max_evidence_batch: int
    max_page: int
    requests_per_minute: int | None
    """Per token and worker; null for no limit."""
    idempotency_key_hours: int
    feed_days: int
    """Days for which events can be read and streams resumed."""


class Meta(Output):
    version: str
    limits: Limits


@route("GET", "/api/meta", reach="project", tag="meta")
async def get_meta(request: Request[Any, Any, Any]) -> Meta:
    """The version and the limits of this server."""
    settings: Settings = request.app.state.settings
    return Meta(
        version=package.__version__,
        limits=Limits(
            max_body_bytes=settings.max_body_bytes,
            max_string_bytes=MAX_STRING_BYTES,
            max_depth=MAX_DEPTH,
            max_batch=MAX_BATCH,
            max_evidence_batch=MAX_EVIDENCE_BATCH,
            max_page=MAX_PAGE,
            requests_per_minute=settings.rate_limit or None,
            idempotency_key_hours=KEPT_HOURS,
            feed_days=settings.feed_days,
        ),
    )
