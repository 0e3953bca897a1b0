"""The migrated catalog holds what the seed of claude_sessions lists."""

import pytest

from app.db import Database
from tests.migrations.test_catalog import COLUMNS, fetch

TABLE = "claude_sessions"
STAMP = ["timestamp with time zone", True, "now()"]
TEXT = ["text", True, None]
# Column: type, nullable, default, as the seed lists them.
SEED: dict[str, list[object]] = {
    "id": ["uuid", False, "gen_random_uuid()"],
    "session_id": ["text", False, None],
    "sd_id": TEXT,
    "track": TEXT,
    "tty": TEXT,
    "pid": ["integer", True, None],
    "hostname": TEXT,
    "codebase": TEXT,
    "claimed_at": ["timestamp with time zone", True, None],
    "heartbeat_at": STAMP,
    "status": ["text", True, "'active'::text"],
    "metadata": ["jsonb", True, "'{}'::jsonb"],
    "created_at": STAMP,
    "updated_at": STAMP,
}
OURS = {"account_id": ["bigint", False, None], "project_id": ["bigint", True, None]}


async def test_the_seed_is_kept(database: Database) -> None:
    found = {name: rest for name, *rest in await fetch(database, COLUMNS, TABLE)}
    assert len(SEED) == 14
    assert found == {**SEED, **OURS}


TRACKS = "ARRAY['A'::text, 'B'::text, 'C'::text, 'STANDALONE'::text]"


@pytest.mark.parametrize(
    ("name", "definition"),
    [
        (f"pk_{TABLE}", "PRIMARY KEY (account_id, id)"),
        (f"uq_{TABLE}_account_id_session_id", "UNIQUE (account_id, session_id)"),
        (
            f"ck_{TABLE}_status",
            "CHECK ((status = ANY (ARRAY['active'::text, 'idle'::text, 'stale'::text,"
            " 'released'::text])))",
        ),
        (f"ck_{TABLE}_track", f"CHECK ((track = ANY ({TRACKS})))"),
        (f"ck_{TABLE}_pid", "CHECK ((pid >= 0))"),
        (
            f"fk_{TABLE}_work_item",
            "FOREIGN KEY (account_id, sd_id) REFERENCES work_items(account_id, key)"
            " ON DELETE RESTRICT",
        ),
        ("pk_work_items", "PRIMARY KEY (account_id, key)"),
        ("ck_work_items_track", f"CHECK ((track = ANY ({TRACKS})))"),
        (
            "fk_claims_work_item",
            "FOREIGN KEY (account_id, work_item) REFERENCES work_items(account_id, key)"
            " ON DELETE CASCADE",
        ),
        ("uq_claims_account_id_work_item_fencing_token", None),
        ("uq_work_item_conflicts_pair_type", None),
    ],
)
async def test_constraints(database: Database, name: str, definition: str | None) -> None:
    statement = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = $1"
    [(found,)] = await fetch(database, statement, name)
    assert found == definition or (definition is None and found.startswith("UNIQUE (account_id,"))


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        # The seed's, each with the tenant in front.
        (f"pk_{TABLE}", "(account_id, id)"),
        (f"uq_{TABLE}_account_id_session_id", "(account_id, session_id)"),
        ("idx_claude_sessions_heartbeat", "(account_id, heartbeat_at DESC)"),
        ("idx_claude_sessions_sd", "(account_id, sd_id) WHERE (sd_id IS NOT NULL)"),
        ("idx_claude_sessions_status", "(account_id, status)"),
        ("idx_claude_sessions_track", "(account_id, track) WHERE (track IS NOT NULL)"),
        ("idx_claude_sessions_tty_pid", "(account_id, tty, pid)"),
        # At most one live claim, of an item and of an agent.
        ("uq_claims_live_work_item", "(account_id, work_item) WHERE (released_at IS NULL)"),
        ("uq_claims_live_agent", "(account_id, session_id) WHERE (released_at IS NULL)"),
    ],
)
async def test_indexes(database: Database, name: str, columns: str) -> None:
    statement = "SELECT indexdef FROM pg_indexes WHERE indexname = $1"
    [(definition,)] = await fetch(database, statement, name)
    assert definition.endswith(f"btree {columns}")
    assert definition.startswith("CREATE UNIQUE") == name.startswith(("pk_", "uq_"))
