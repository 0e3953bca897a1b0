"""The least an append and a page can cost on this stack: one statement, no rules.

No authentication, no validation, no tenant, no transaction of its own: what the server takes
longer than this is the price of what it does.
"""

import os

import asyncpg
from litestar import Litestar, Request, Response, get, post
from litestar.datastructures import State
from litestar.params import FromQuery

SCHEMA = """
CREATE TABLE floor (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    session_id bigint NOT NULL,
    document jsonb NOT NULL
);
CREATE INDEX ON floor (session_id, id);
"""
POOL_SIZE = 10  # as many connections as the server has


@post("/floor")
async def append(
    request: Request[None, None, State], session_id: FromQuery[int]
) -> Response[bytes]:
    await _pool(request).execute(
        "INSERT INTO floor (session_id, document) VALUES ($1, $2)",
        session_id,
        (await request.body()).decode(),
    )
    return _json(b"{}", 201)


@post("/floor/batch")
async def append_batch(
    request: Request[None, None, State], session_id: FromQuery[int]
) -> Response[bytes]:
    await _pool(request).execute(
        "INSERT INTO floor (session_id, document) SELECT $1, jsonb_array_elements($2)",
        session_id,
        (await request.body()).decode(),
    )
    return _json(b"{}", 201)


@get("/floor/newest")
async def newest(
    request: Request[None, None, State], session_id: FromQuery[int]
) -> Response[bytes]:
    rows = await _pool(request).fetch(
        "SELECT document FROM floor WHERE session_id = $1 ORDER BY id DESC LIMIT 50", session_id
    )
    return _json(f"[{','.join(row[0] for row in rows)}]".encode(), 200)


def _pool(request: Request[None, None, State]) -> "asyncpg.Pool[asyncpg.Record]":
    pool: asyncpg.Pool[asyncpg.Record] = request.app.state.pool
    return pool


def _json(body: bytes, status: int) -> Response[bytes]:
    return Response(body, status_code=status, media_type="application/json")


async def _open(app: Litestar) -> None:
    app.state.pool = await asyncpg.create_pool(
        os.environ["DATABASE_URL"], min_size=POOL_SIZE, max_size=POOL_SIZE
    )


async def _close(app: Litestar) -> None:
    await app.state.pool.close()


def create_app() -> Litestar:
    return Litestar(
        [append, append_batch, newest],
        on_startup=[_open],
        on_shutdown=[_close],
        openapi_config=None,
    )
