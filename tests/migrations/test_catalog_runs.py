"""The migrated catalog holds what the seed of orchestration_session lists, and its sisters."""

import pytest

from app.db import Database
from tests.migrations.test_catalog import COLUMNS, fetch

JSONB, TEXT, STAMP = "jsonb", "text", "timestamp with time zone"
ROOT = "orchestration_session"
# Column: type, nullable, default. The seed's JSON is TEXT with CHECK(json_valid(x) OR x IS NULL),
# which is what a nullable jsonb column says by its type.
SEED: dict[str, list[object]] = {
    "orchestration_session_id": [TEXT, False, None],
    "device_id": [TEXT, False, None],
    "orchestration_nature_id": [TEXT, False, None],
    "version": [TEXT, False, None],
    "orch_started_at": [STAMP, True, "CURRENT_TIMESTAMP"],
    "orch_finished_at": [STAMP, True, None],
    "elaboration": [JSONB, True, None],
    "args_json": [JSONB, True, None],
    "diagnostics_json": [JSONB, True, None],
    "diagnostics_md": [TEXT, True, None],
}
OURS = {"account_id": ["bigint", False, None], "project_id": ["bigint", True, None]}
EVIDENCE = {
    "account_id": ["bigint", False, None],
    "session_id": [TEXT, False, None],
    "position": ["bigint", False, None],
    "elaboration": [JSONB, True, None],
}
ENTRY = {"session_entry_id": [TEXT, True, None]}
SISTERS: dict[str, dict[str, list[object]]] = {
    "device": {
        **OURS,
        "device_id": [TEXT, False, None],
        "name": [TEXT, False, None],
        "state": [JSONB, True, "'\"SINGLETON\"'::jsonb"],
        "boundary": [TEXT, True, "'UNKNOWN'::text"],
        "segmentation": [JSONB, True, None],
        "state_sysinfo": [JSONB, True, None],
        "elaboration": [JSONB, True, None],
        "inserted_at": [STAMP, False, "now()"],
        "updated_at": [STAMP, False, "now()"],
    },
    "orchestration_nature": {
        "account_id": ["bigint", False, None],
        "orchestration_nature_id": [TEXT, False, None],
        "nature": [TEXT, False, None],
        "elaboration": [JSONB, True, None],
        "inserted_at": [STAMP, False, "now()"],
        "updated_at": [STAMP, False, "now()"],
    },
    "orchestration_session_entry": {
        **EVIDENCE,
        "ingest_src": [TEXT, False, None],
        "ingest_table_name": [TEXT, True, None],
    },
    "orchestration_session_state": {
        **EVIDENCE,
        **ENTRY,
        "from_state": [TEXT, False, None],
        "to_state": [TEXT, False, None],
        "transition_result": [JSONB, True, None],
        "reason": [TEXT, True, None],
        "transitioned_at": [STAMP, False, "now()"],
    },
    "orchestration_session_exec": {
        **EVIDENCE,
        **ENTRY,
        "exec_nature": [TEXT, False, None],
        "parent_exec_id": [TEXT, True, None],
        "namespace": [TEXT, True, None],
        "exec_identity": [TEXT, True, None],
        "exec_code": [TEXT, False, None],
        "exec_status": ["integer", False, None],
        "input_text": [TEXT, True, None],
        "exec_error_text": [TEXT, True, None],
        "output_text": [TEXT, True, None],
        "output_nature": [JSONB, True, None],
        "narrative_md": [TEXT, True, None],
    },
    "orchestration_session_issue": {
        **EVIDENCE,
        **ENTRY,
        "issue_type": [TEXT, False, None],
        "issue_message": [TEXT, False, None],
        "issue_row": ["bigint", True, None],
        "issue_column": [TEXT, True, None],
        "invalid_value": [TEXT, True, None],
        "remediation": [TEXT, True, None],
    },
    "orchestration_session_issue_relation": {
        **EVIDENCE,
        "issue_id_prime": [TEXT, False, None],
        "issue_id_rel": [TEXT, False, None],
        "relationship_nature": [TEXT, False, None],
    },
    "orchestration_session_log": {
        **EVIDENCE,
        "exec_id": [TEXT, False, None],
        "parent_log_id": [TEXT, True, None],
        "category": [TEXT, True, None],
        "content": [TEXT, False, None],
        "sibling_order": ["integer", True, None],
    },
}


async def test_the_seed_is_kept(database: Database) -> None:
    found = {name: rest for name, *rest in await fetch(database, COLUMNS, ROOT)}
    assert found == {**SEED, **OURS}


@pytest.mark.parametrize("table", sorted(SISTERS))
async def test_the_evidence_tables_match_the_seed(database: Database, table: str) -> None:
    found = {name: rest for name, *rest in await fetch(database, COLUMNS, table)}
    expected = dict(SISTERS[table])
    if table.startswith("orchestration_session_"):
        expected[f"{table}_id"] = [TEXT, False, None]
    assert found == expected


SESSION = "REFERENCES orchestration_session(account_id, orchestration_session_id) ON DELETE CASCADE"


def reference(target: str, column: str) -> str:
    return (
        f"FOREIGN KEY (account_id, session_id, {column}) REFERENCES"
        f" {target}(account_id, session_id, {target}_id)"
    )


@pytest.mark.parametrize(
    ("name", "definition"),
    [
        ("pk_orchestration_session", "PRIMARY KEY (account_id, orchestration_session_id)"),
        (
            "fk_orchestration_session_nature",
            "FOREIGN KEY (account_id, orchestration_nature_id) REFERENCES"
            " orchestration_nature(account_id, orchestration_nature_id) ON DELETE RESTRICT",
        ),
        (
            "fk_orchestration_session_device",
            "FOREIGN KEY (account_id, device_id) REFERENCES device(account_id, device_id)"
            " ON DELETE RESTRICT",
        ),
        (
            "fk_orchestration_session_project",
            "FOREIGN KEY (account_id, project_id) REFERENCES projects(account_id, id)"
            " ON DELETE SET NULL (project_id)",
        ),
        ("ck_orchestration_session_finished", "CHECK ((orch_finished_at >= orch_started_at))"),
        ("pk_device", "PRIMARY KEY (account_id, device_id)"),
        (
            "uq_device_account_id_name_state_boundary",
            "UNIQUE NULLS NOT DISTINCT (account_id, name, state, boundary)",
        ),
        ("pk_orchestration_nature", "PRIMARY KEY (account_id, orchestration_nature_id)"),
        *(
            (f"pk_{table}", f"PRIMARY KEY (account_id, {table}_id)")
            for table in SISTERS
            if table.startswith("orchestration_session_")
        ),
        *(
            (f"fk_{table}_session", f"FOREIGN KEY (account_id, session_id) {SESSION}")
            for table in SISTERS
            if table.startswith("orchestration_session_")
        ),
        *(
            (f"fk_{ROOT}_{table}_{column}", reference(f"{ROOT}_{target}", column))
            for table, column, target in (
                ("state", "session_entry_id", "entry"),
                ("exec", "session_entry_id", "entry"),
                ("exec", "parent_exec_id", "exec"),
                ("issue", "session_entry_id", "entry"),
                ("issue_relation", "issue_id_prime", "issue"),
                ("issue_relation", "issue_id_rel", "issue"),
                ("log", "exec_id", "exec"),
                ("log", "parent_log_id", "log"),
            )
        ),
        (
            "ck_orchestration_session_issue_relation_itself",
            "CHECK ((issue_id_prime <> issue_id_rel))",
        ),
    ],
)
async def test_constraints(database: Database, name: str, definition: str) -> None:
    statement = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = $1"
    assert await fetch(database, statement, name) == [(definition,)]


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        # The seed's only index is that of the primary key.
        ("pk_orchestration_session", "(account_id, orchestration_session_id)"),
        ("ix_orchestration_session_project_id", "(account_id, project_id)"),
        ("ix_orchestration_session_device_id", "(account_id, device_id)"),
        ("ix_orchestration_session_nature_id", "(account_id, orchestration_nature_id)"),
        (
            "ix_orchestration_session_started",
            "(account_id, orch_started_at, orchestration_session_id)",
        ),
        ("ix_device_project_id", "(account_id, project_id)"),
    ],
)
async def test_indexes(database: Database, name: str, columns: str) -> None:
    statement = "SELECT indexdef FROM pg_indexes WHERE indexname = $1"
    [(definition,)] = await fetch(database, statement, name)
    assert definition.endswith(f"btree {columns}")
