from typing import Any

from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from app.contexts import hooks
from app.db import Db
from app.scope import Scope
from app.web.routing import route


@route("POST", "/api/hooks/{agent:str}", 204, tag="hooks", nul_allowed_in="*", unlimited=True)
async def ingest_event(
    current_scope: NamedDependency[Scope],
    db: NamedDependency[Db],
    agent: FromPath[str],
    data: JSONBody[dict[str, Any]],
) -> None:
    """Any JSON object: the senders are not ours to correct."""
    await hooks.ingest_event(current_scope, db, agent, data)
