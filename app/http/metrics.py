"""`GET /metrics` for Prometheus: guarded by a token of its own, without any tenant's data."""

import hmac
import os
from typing import Any

from litestar import Request, Response, get
from litestar.plugins.prometheus import PrometheusConfig
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from app.errors import NotFound, Unauthenticated

# Route templates as labels: a label per path would be one per session.
PROMETHEUS = PrometheusConfig(
    app_name="agent_sessions", prefix="agent_sessions", group_path=True, exclude=["^/metrics$"]
)


@get("/metrics", public=True, include_in_schema=False)
async def metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Does not exist until AGENT_SESSIONS_METRICS_TOKEN is set."""
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
