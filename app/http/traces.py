"""Sends OpenTelemetry one span for each request, named by the template of its route."""

from typing import Any

from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.plugins.opentelemetry import OpenTelemetryConfig
from litestar.types import ASGIApp, Receive, Scope, Send
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import (
    SERVICE_NAME,
    SERVICE_VERSION,
    OTELResourceDetector,
    Resource,
)
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.semconv.attributes.http_attributes import HTTP_ROUTE
from opentelemetry.trace import Span, get_current_span

import app as package

_ADDRESSES = frozenset({"http.target", "http.url", "url.full", "url.path", "url.query"})


class Tracing:
    """Exports spans to where OpenTelemetry's own environment variables point."""

    def __init__(self) -> None:
        own = Resource({SERVICE_NAME: "agent-sessions", SERVICE_VERSION: package.__version__})
        self._provider = TracerProvider(resource=own.merge(OTELResourceDetector().detect()))
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        spans = OpenTelemetryConfig(
            tracer_provider=self._provider,
            scope_span_details_extractor=_method_only,
            server_request_hook_handler=_without_address,
            exclude_spans=["receive", "send"],
        )
        self.middleware = [spans.middleware, RouteSpan()]

    def shutdown(self) -> None:
        """Sends the remaining spans; takes some seconds when the collector does not answer."""
        self._provider.shutdown()


class RouteSpan(ASGIMiddleware):
    """Names the span by its route, which is not known yet when the span begins."""

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        span = get_current_span()
        template = scope["path_template"]
        span.update_name(f"{scope.get('method')} {template}")
        span.set_attribute(HTTP_ROUTE, template)
        await next_app(scope, receive, send)


def _method_only(scope: Scope) -> tuple[str, dict[str, Any]]:
    return str(scope.get("method")), {}


def _without_address(span: Span, _: dict[str, Any]) -> None:
    """Blanks the request's address: like a body, it may hold a client's data, such as a search."""
    for name in _ADDRESSES & set(getattr(span, "attributes", None) or ()):
        span.set_attribute(name, "")
