"""Puts the server together: the only module that knows every door."""

import asyncio
import gc
import multiprocessing
import os
import signal
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from litestar import Litestar, Router
from litestar.config.cors import CORSConfig
from litestar.datastructures import State
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

import app as package
from app import migrations, settings
from app.api.documentation import DocumentationPage
from app.api.routes import ROUTES
from app.contexts.accounts import Authenticator
from app.contexts.sessions import AppendQueue
from app.db import Database
from app.http.body import ApiRequest
from app.http.envelope import Envelope
from app.http.metrics import PROMETHEUS, metrics
from app.http.openapi import HEADERS
from app.http.problems import EXCEPTION_HANDLERS
from app.http.rate_limit import RateLimit
from app.http.responses import Answer
from app.http.unit_of_work import UnitOfWork, note_deadlock, provide_current_scope, provide_db
from app.jobs import Jobs
from app.logs import configure_logging
from app.settings import Settings
from app.stream.events import stream_feed_events
from app.stream.hub import Hub
from app.stream.shutdown import close_streams_on_signal


def create_app(configuration: Settings | None = None) -> Envelope:
    """Without a configuration it comes from the environment, as a worker process needs it."""
    configuration = configuration or settings.from_environment()
    configure_logging(configuration.log_level)
    database = Database(configuration)
    authenticator = Authenticator(database, configuration.token_cache_seconds)

    hub = Hub(database, configuration.direct_url)
    hub.on_identity_change = authenticator.forget
    jobs = Jobs(database, configuration)
    measured = [PROMETHEUS.middleware] if configuration.metrics_token else []
    tracing = _tracing() if configuration.traces else None

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        hub.start()
        jobs.start()
        close_streams_on_signal(hub)
        _end_with_supervisor()
        # What has been made so far stays until the end. Every full collection walked through all
        # of it, which made reading a history of 10,000 take twice as long.
        gc.freeze()
        yield
        await jobs.stop()
        await hub.stop()
        await database.close()
        if tracing is not None:
            await asyncio.to_thread(tracing.shutdown)

    return Envelope(
        Litestar(
            route_handlers=[*ROUTES, stream_feed_events, metrics],
            cors_config=_cors(configuration.cors_origins),
            request_class=ApiRequest,
            dependencies={
                "current_scope": Provide(provide_current_scope),
                "db": Provide(provide_db),
            },
            middleware=[
                *(tracing.middleware if tracing else []),
                *measured,
                UnitOfWork(database, authenticator, RateLimit(configuration.rate_limit)),
            ],
            response_class=Answer,
            exception_handlers=EXCEPTION_HANDLERS,
            after_exception=[note_deadlock],
            request_max_body_size=configuration.max_body_bytes,
            state=State(
                {
                    "database": database,
                    "authenticator": authenticator,
                    "append_queue": AppendQueue(database),
                    "hub": hub,
                    "settings": configuration,
                    "revision": migrations.head(),
                }
            ),
            lifespan=[lifespan],
            openapi_config=_openapi(),
            logging_config=None,
        )
    )


def _tracing() -> Any:
    """From an extra that most installations do without."""
    from app.http.traces import Tracing  # noqa: PLC0415

    return Tracing()


def _end_with_supervisor() -> None:
    """A worker whose supervisor was killed would keep the port from the next one."""
    supervisor = multiprocessing.parent_process()
    if supervisor is None:
        return

    def watch() -> None:
        supervisor.join()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="supervisor", daemon=True).start()


def _cors(origins: str) -> CORSConfig | None:
    """No page of another origin may call the API unless it is listed."""
    allowed = [origin.strip() for origin in origins.split(",") if origin.strip()]
    exposed = ["ETag", "Location", "Retry-After", "X-Request-Id", "Idempotency-Replayed"]
    return CORSConfig(allow_origins=allowed, expose_headers=exposed) if allowed else None


def _openapi() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="agent-sessions",
        version=package.__version__,
        description="The server where a company's AI coding agents keep their sessions.",
        openapi_router=Router(
            "/", route_handlers=[], opt={"public": True}, include_in_schema=False
        ),
        render_plugins=[JsonRenderPlugin(path="/openapi.json"), DocumentationPage()],
        components=Components(
            security_schemes={"token": SecurityScheme(type="http", scheme="bearer")},
            parameters=HEADERS,
        ),
        security=[{"token": []}],
    )
