from typing import Annotated, Any
from urllib.parse import unquote

import msgspec
from litestar.params import FromPath, HeaderParameter, JSONBody
from prometheus_client import Counter

from app.contexts import hooks
from app.contexts.hooks import parsing
from app.http.dependencies import CurrentScope, OpenDb
from app.http.routing import route
from app.schemas.base import MAX_BATCH
from app.schemas.hooks import ImportSummary

_OUTSIDE = Counter(
    "agent_sessions_hook_events_outside_project",
    "Events of a session that lives outside the project of the token that brought them.",
    ["agent"],
)
Hostname = Annotated[
    str | None,
    HeaderParameter(name="X-Agent-Hostname", description="The machine of the agent, URL-encoded."),
]
EventNumber = Annotated[
    str | None,
    HeaderParameter(
        name="X-Agent-Event-Id",
        description="Identifies the event, so that sent again it changes nothing.",
    ),
]
EventTime = Annotated[
    str | None,
    HeaderParameter(
        name="X-Agent-Event-Time", description="When the event happened, as RFC 3339 tells."
    ),
]
EventBatch = Annotated[list[dict[str, Any]], msgspec.Meta(min_length=1, max_length=MAX_BATCH)]


@route(
    "POST",
    "/api/hooks/{agent:str}",
    204,
    reach="project",
    tag="hooks",
    hot=True,
    nul_allowed_in="*",
    takes_anything=True,
    unlimited=True,
)
async def ingest_hook_event(
    current_scope: CurrentScope,
    db: OpenDb,
    agent: FromPath[str],
    data: JSONBody[dict[str, Any]],
    hostname: Hostname = None,
    number: EventNumber = None,
    at: EventTime = None,
) -> None:
    """Takes any JSON object, since clients do not control what their agents send."""
    host = None if hostname is None else unquote(hostname).replace("\x00", "\ufffd")[:255]
    outcome = await hooks.ingest_hook_event(
        current_scope, db, agent, data, hostname=host, number=number, at=parsing.moment(at)
    )
    if outcome == "outside":
        _OUTSIDE.labels(agent).inc()


@route(
    "POST",
    "/api/hooks/{agent:str}/import",
    reach="project",
    tag="hooks",
    hot=True,
    nul_allowed_in="*",
    takes_anything=True,
    unlimited=True,
)
async def import_hook_events(
    current_scope: CurrentScope, db: OpenDb, agent: FromPath[str], data: JSONBody[EventBatch]
) -> ImportSummary:
    """Takes past events, for example from a transcript. Events that are already stored are left
    alone."""
    stored = await hooks.import_hook_events(current_scope, db, agent, data)
    return ImportSummary(received=len(data), stored=stored)
