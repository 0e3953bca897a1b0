"""Carries out a request sent twice under one Idempotency-Key only once.

Key, write and stored answer commit in the one transaction of the request: a reservation committed
by itself would let the request be carried out twice after a crash.
"""

import hashlib
from typing import NamedTuple

import msgspec

from app.db import Db
from app.errors import Conflict, Invalid
from app.queries import Query
from app.scope import Scope

KEPT_HOURS = 24
MAX_KEY_LENGTH = 255
# A B-tree entry holds 2,704 bytes.
_MAX_PATH_BYTES = 2000

_LOCK = "SELECT pg_try_advisory_xact_lock(hashtextextended($1, $2))"
_FIND = f"""
SELECT payload_sha256, status, headers::text, body,
       inserted_at <= now() - interval '{KEPT_HOURS} hours' AS expired
FROM idempotency_keys
WHERE account_id = $1 AND token_id = $2 AND method = $3 AND path = $4 AND key = $5
"""  # noqa: S608 - a constant
_FORGET = """
DELETE FROM idempotency_keys
WHERE account_id = $1 AND token_id = $2 AND method = $3 AND path = $4 AND key = $5
"""


class _Stored(NamedTuple):
    account_id: int
    token_id: int | None
    method: str
    path: str
    key: str
    payload_sha256: bytes
    status: int
    headers: str
    body: bytes | None


_STORE = Query(
    _Stored,
    """
INSERT INTO idempotency_keys
    (account_id, token_id, method, path, key, payload_sha256, status, headers, body)
VALUES (:account_id, :token_id, :method, :path, :key, :payload_sha256, :status, :headers::jsonb,
        :body)
""",
)
_TRIM = f"""
DELETE FROM idempotency_keys
WHERE account_id = $1 AND inserted_at <= now() - interval '{KEPT_HOURS} hours'
"""  # noqa: S608 - a constant


class Keyed(NamedTuple):
    """What identifies a request: method, path with its query (or their digest, when too long for an
    index), key, and the digest of its payload and of the project it names."""

    method: str
    path: str
    key: str
    payload_sha256: bytes


class StoredAnswer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes | None


def keyed(method: str, path: str, key: str, payload: bytes) -> Keyed:
    """Raises Invalid for a key that is empty, longer than 255 characters or not printable ASCII."""
    if not (0 < len(key) <= MAX_KEY_LENGTH and key.isascii() and key.isprintable()):
        raise Invalid.field("Idempotency-Key", "must be 1 to 255 printable ASCII characters")
    if len(path.encode()) > _MAX_PATH_BYTES:
        path = hashlib.sha256(path.encode()).hexdigest()
    return Keyed(method, path, key, hashlib.sha256(payload).digest())


async def find_answer(scope: Scope, db: Db, request: Keyed) -> StoredAnswer | None:
    """Returns the stored answer, or None the first time.

    Raises Conflict `idempotency_in_flight` while another request holds the key and
    `secret_already_shown` for an answer that is not stored, Invalid `idempotency_key_reused` for
    another payload or project.
    """
    name = "\n".join((str(scope.token_id), request.method, request.path, request.key))
    if not await db.driver.fetchval(_LOCK, name, scope.account_id):
        raise Conflict(
            "A request with this Idempotency-Key is still being carried out.",
            code="idempotency_in_flight",
        )
    identity = (scope.account_id, scope.token_id, request.method, request.path, request.key)
    row = await db.driver.fetchrow(_FIND, *identity)
    if row is None:
        return None
    if row["expired"]:
        await db.driver.execute(_FORGET, *identity)
        return None
    if row["payload_sha256"] != request.payload_sha256:
        raise Invalid.field(
            "Idempotency-Key",
            "was used with another payload or project",
            code="idempotency_key_reused",
        )
    if row["body"] is None:
        raise Conflict(
            "The answer carried a secret and was shown once.", code="secret_already_shown"
        )
    return StoredAnswer(row["status"], msgspec.json.decode(row["headers"]), row["body"])


async def store_answer(scope: Scope, db: Db, request: Keyed, answer: StoredAnswer) -> None:
    stored = _Stored(
        account_id=scope.account_id,
        token_id=scope.token_id,
        method=request.method,
        path=request.path,
        key=request.key,
        payload_sha256=request.payload_sha256,
        status=answer.status,
        headers=msgspec.json.encode(answer.headers).decode(),
        body=answer.body,
    )
    await db.driver.execute(*_STORE(stored))


async def trim_answers(scope: Scope, db: Db) -> None:
    """Deletes the answers that are older than 24 hours."""
    await db.driver.execute(_TRIM, scope.account_id)
