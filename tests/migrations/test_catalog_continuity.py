"""The migrated catalog holds the four tables of the continuity document."""

from typing import Any, get_args

import pytest

from app.contexts.continuity import EVENT_TYPES as DESCRIBED
from app.db import Database
from app.schemas.continuity import EventType
from tests.migrations.test_catalog import COLUMNS, fetch

STAMP = ["timestamp with time zone", False, "now()"]
DOCUMENT = ["jsonb", False, "'{}'::jsonb"]
FIELDS: dict[str, dict[str, list[Any]]] = {
    "supervisor_sessions": {
        "account_id": ["bigint", False, None],
        "project_id": ["bigint", True, None],
        "instance_id": ["text", False, None],
        "project": ["text", False, None],
        "instance_type": ["text", False, None],
        "status": ["text", False, "'active'::text"],
        "context_percent": ["integer", False, "0"],
        "current_epic": ["text", True, None],
        "last_heartbeat": STAMP,
        "created_at": STAMP,
        "closed_at": ["timestamp with time zone", True, None],
    },
    "command_log": {
        "account_id": ["bigint", False, None],
        "id": ["bigint", False, None],
        "instance_id": ["text", False, None],
        "command_type": ["text", False, None],
        "action": ["text", False, None],
        "tool_name": ["text", True, None],
        "parameters": DOCUMENT,
        "result": ["jsonb", True, None],
        "error_message": ["text", True, None],
        "success": ["boolean", False, "true"],
        "execution_time_ms": ["bigint", True, None],
        "tags": ["ARRAY", False, "'{}'::text[]"],
        "context_data": DOCUMENT,
        "source": ["text", False, "'auto'::text"],
        "created_at": STAMP,
    },
    "event_store": {
        "account_id": ["bigint", False, None],
        "event_id": ["uuid", False, None],
        "instance_id": ["text", False, None],
        "event_type": ["text", False, None],
        "sequence_num": ["bigint", False, None],
        "timestamp": STAMP,
        "created_at": STAMP,
        "event_data": DOCUMENT,
        "metadata": DOCUMENT,
    },
    "checkpoints": {
        "account_id": ["bigint", False, None],
        "checkpoint_id": ["uuid", False, None],
        "instance_id": ["text", False, None],
        "checkpoint_type": ["text", False, None],
        "sequence_num": ["bigint", False, None],
        "timestamp": STAMP,
        "context_window_percent": ["integer", False, None],
        "work_state": DOCUMENT,
        "metadata": DOCUMENT,
        "created_at": STAMP,
    },
}
OF_INSTANCE = (
    "FOREIGN KEY (account_id, instance_id) REFERENCES"
    " supervisor_sessions(account_id, instance_id) ON DELETE CASCADE"
)
# The document's sixteen. The keys named twice stand for an index that would repeat them.
INDEXES = [
    ("pk_supervisor_sessions", "(account_id, instance_id)"),
    ("ix_supervisor_sessions_project_heartbeat", "(account_id, project, last_heartbeat)"),
    ("pk_supervisor_sessions", "(account_id, instance_id)"),
    ("ix_supervisor_sessions_heartbeat", "(account_id, last_heartbeat)"),
    ("ix_supervisor_sessions_project_status", "(account_id, project, status)"),
    ("pk_command_log", "(account_id, id)"),
    ("ix_command_log_instance_created", "(account_id, instance_id, created_at, id)"),
    ("pk_event_store", "(account_id, event_id)"),
    (
        "uq_event_store_account_id_instance_id_sequence_num",
        "(account_id, instance_id, sequence_num)",
    ),
    (
        "uq_event_store_account_id_instance_id_sequence_num",
        "(account_id, instance_id, sequence_num)",
    ),
    ("ix_event_store_instance_created", "(account_id, instance_id, created_at)"),
    ("ix_event_store_timestamp", '(account_id, "timestamp", event_id)'),
    ("ix_event_store_type_timestamp", '(account_id, event_type, "timestamp", event_id)'),
    ("pk_checkpoints", "(account_id, checkpoint_id)"),
    (
        "ix_checkpoints_instance_timestamp",
        '(account_id, instance_id, "timestamp", sequence_num)',
    ),
    ("ix_checkpoints_type_created", "(account_id, checkpoint_type, created_at, checkpoint_id)"),
]


@pytest.mark.parametrize("table", FIELDS)
async def test_fields(database: Database, table: str) -> None:
    found = {name: rest for name, *rest in await fetch(database, COLUMNS, table)}
    assert FIELDS[table].items() <= found.items()


async def test_indexes(database: Database) -> None:
    assert len(INDEXES) == 16
    rows = dict(await fetch(database, "SELECT indexname::text, indexdef FROM pg_indexes"))
    assert [(name, rows[name].partition("btree ")[2]) for name, _ in INDEXES] == INDEXES


@pytest.mark.parametrize(
    ("name", "definition"),
    [
        (
            "fk_supervisor_sessions_project",
            "FOREIGN KEY (account_id, project_id) REFERENCES projects(account_id, id)"
            " ON DELETE SET NULL (project_id)",
        ),
        ("fk_command_log_instance", OF_INSTANCE),
        ("fk_event_store_instance", OF_INSTANCE),
        ("fk_checkpoints_instance", OF_INSTANCE),
        (
            "uq_checkpoints_account_id_instance_id_sequence_num",
            "UNIQUE (account_id, instance_id, sequence_num)",
        ),
        (
            "ck_supervisor_sessions_instance_type",
            "CHECK ((instance_type = ANY (ARRAY['PS'::text, 'MS'::text])))",
        ),
        (
            "ck_supervisor_sessions_status",
            "CHECK ((status = ANY (ARRAY['active'::text, 'stale'::text, 'closed'::text])))",
        ),
        (
            "ck_supervisor_sessions_context_percent",
            "CHECK (((context_percent >= 0) AND (context_percent <= 100)))",
        ),
        (
            "ck_checkpoints_context_window_percent",
            "CHECK (((context_window_percent >= 0) AND (context_window_percent <= 100)))",
        ),
        ("ck_command_log_execution_time_ms", "CHECK ((execution_time_ms >= 0))"),
        (
            "ck_command_log_source",
            "CHECK ((source = ANY (ARRAY['auto'::text, 'explicit'::text])))",
        ),
    ],
)
async def test_constraints(database: Database, name: str, definition: str) -> None:
    statement = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = $1"
    assert await fetch(database, statement, name) == [(definition,)]


async def test_event_types(database: Database) -> None:
    types = get_args(EventType)
    statement = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = $1"
    [(definition,)] = await fetch(database, statement, "ck_event_store_event_type")
    assert {part for part in definition.split("'") if part.replace("_", "").isalpha()} >= {*types}
    assert len(types) == definition.count("::text,") + definition.count("::text]") == 23
    assert [described.event_type for described in DESCRIBED] == list(types)
