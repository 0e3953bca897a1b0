"""The evidence of a run: for each kind a list in the order of posting, and a POST that takes one
row or an array of up to 1,000, all or nothing."""

# mypy: disable-error-code="misc, valid-type"
# Because the types of bodies and answers come from the kind.

from typing import Annotated, Any

from litestar import Response
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from app.contexts import runs
from app.contexts.runs import EVIDENCE_KINDS, Kind
from app.http.dependencies import CurrentScope, OpenDb
from app.http.routing import Cursor, Limit, created, location, route
from app.paging import PageRequest
from app.schemas.base import Batch, Page
from app.schemas.evidence import MAX_EVIDENCE_BATCH
from app.schemas.rendering import rendered, rendered_page

_SIZE = Meta(min_length=1, max_length=MAX_EVIDENCE_BATCH)


def _routes(kind: Kind) -> tuple[HTTPRouteHandler, HTTPRouteHandler]:
    """Makes `list_run_<kind>` and `add_run_<kind>`."""
    one, output, slug = kind.input, kind.output, kind.name.replace("_", "-")
    batch = Annotated[list[one], _SIZE]

    async def list_rows(
        current_scope: CurrentScope,
        db: OpenDb,
        run_id: FromPath[str],
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Page[Any]:
        request = PageRequest(limit, cursor)
        page = await runs.list_run_evidence(current_scope, db, kind, run_id, request)
        return rendered_page(page, output)

    async def add_rows(
        current_scope: CurrentScope, db: OpenDb, run_id: FromPath[str], data: Any
    ) -> Response[Any]:
        rows = await runs.add_run_evidence(current_scope, db, kind, run_id, data)
        shown = [rendered(row, output) for row in rows]
        content = shown[0] if isinstance(data, one) else Batch(shown)
        return created(content, f"{location('/api/runs', run_id)}/{slug}")

    list_rows.__name__, add_rows.__name__ = f"list_run_{kind.name}", f"add_run_{kind.name}"
    list_rows.__annotations__["return"] = Page[output]
    add_rows.__annotations__ |= {
        "data": JSONBody[one | batch],
        "return": Response[output | Batch[output]],
    }
    path = f"/api/runs/{{run_id:str}}/{slug}"
    options: dict[str, Any] = {"nul_allowed_in": "*"} if kind.prints else {}
    return (
        route("GET", path, reach="project", tag="evidence")(list_rows),
        route("POST", path, 201, reach="project", tag="evidence", **options)(add_rows),
    )


ROUTES = [handler for kind in EVIDENCE_KINDS for handler in _routes(kind)]
