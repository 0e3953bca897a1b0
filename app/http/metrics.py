"""Serves `GET /metrics` to Prometheus, guarded by its own token and free of tenants' data."""

import hmac
import os
from typing import Any

from litestar import Request, Response, get
from litestar.plugins.prometheus import PrometheusConfig
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from app.errors import NotFound, Unauthenticated

# Labels are route templates; with paths every session would add a label.
PROMETHEUS = PrometheusConfig(
    app_name="agent_sessions", prefix="agent_sessions", group_path=True, exclude=["^/metrics$"]
)


@get("/metrics", public=True, include_in_schema=False)
async def metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Answers 404 until AGENT_SESSIONS_METRICS_TOKEN is set."""
    expected = request.app.state.settings.metrics_token
    if not expected:
        raise NotFound
    given = request.headers.get("authorization", "").partition(" ")[2].strip()
    if not hmac.compare_digest(given.encode(), expected.encode()):
        raise Unauthenticated
    registry = REGISTRY
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
