from typing import Annotated, Any

from msgspec import Meta

from app.schemas.base import MAX_BIGINT, Input, Instant, Integer, Output
from app.schemas.runs import Key, Label

INITIAL = "INITIAL"
RowNumber = Annotated[int, Meta(ge=0, le=MAX_BIGINT)]
Required = Annotated[str, Meta(min_length=1)]


class EntryInput(Input):
    """`ingest_src` is a file name or a URI."""

    ingest_src: Annotated[str, Meta(min_length=1, max_length=4000)]
    orchestration_session_entry_id: Key | None = None
    ingest_table_name: Label | None = None
    elaboration: Any = None


class StateInput(Input):
    """`from_state` is the previous `to_state` of the same run and entry, `INITIAL` for the
    first."""

    from_state: Label
    to_state: Label
    orchestration_session_state_id: Key | None = None
    session_entry_id: Key | None = None
    transition_result: Any = None
    reason: str | None = None
    transitioned_at: Instant | None = None
    elaboration: Any = None


class ExecInput(Input):
    """`exec_status` 0 is success. `parent_exec_id` names an exec posted earlier."""

    exec_nature: Label
    exec_code: str
    exec_status: Integer
    orchestration_session_exec_id: Key | None = None
    session_entry_id: Key | None = None
    parent_exec_id: Key | None = None
    namespace: Label | None = None
    exec_identity: Label | None = None
    input_text: str | None = None
    exec_error_text: str | None = None
    output_text: str | None = None
    output_nature: Any = None
    narrative_md: str | None = None
    elaboration: Any = None


class IssueInput(Input):
    issue_type: Label
    issue_message: Required
    orchestration_session_issue_id: Key | None = None
    session_entry_id: Key | None = None
    issue_row: RowNumber | None = None
    issue_column: Label | None = None
    invalid_value: str | None = None
    remediation: str | None = None
    elaboration: Any = None


class IssueRelationInput(Input):
    issue_id_prime: Key
    issue_id_rel: Key
    relationship_nature: Label
    orchestration_session_issue_relation_id: Key | None = None
    elaboration: Any = None


class LogInput(Input):
    """`parent_log_id` names a log row posted earlier."""

    content: str
    exec_id: Key
    orchestration_session_log_id: Key | None = None
    parent_log_id: Key | None = None
    category: Label | None = None
    sibling_order: Integer | None = None
    elaboration: Any = None


MAX_EVIDENCE_BATCH = 1000


class EntryOut(Output):
    orchestration_session_entry_id: str
    session_id: str
    ingest_src: str
    ingest_table_name: str | None
    elaboration: Any


class StateOut(Output):
    orchestration_session_state_id: str
    session_id: str
    session_entry_id: str | None
    from_state: str
    to_state: str
    transition_result: Any
    reason: str | None
    transitioned_at: Instant
    elaboration: Any


class ExecOut(Output):
    orchestration_session_exec_id: str
    session_id: str
    session_entry_id: str | None
    parent_exec_id: str | None
    exec_nature: str
    namespace: str | None
    exec_identity: str | None
    exec_code: str
    exec_status: int
    input_text: str | None
    exec_error_text: str | None
    output_text: str | None
    output_nature: Any
    narrative_md: str | None
    elaboration: Any


class IssueOut(Output):
    orchestration_session_issue_id: str
    session_id: str
    session_entry_id: str | None
    issue_type: str
    issue_message: str
    issue_row: int | None
    issue_column: str | None
    invalid_value: str | None
    remediation: str | None
    elaboration: Any


class IssueRelationOut(Output):
    orchestration_session_issue_relation_id: str
    session_id: str
    issue_id_prime: str
    issue_id_rel: str
    relationship_nature: str
    elaboration: Any


class LogOut(Output):
    orchestration_session_log_id: str
    session_id: str
    exec_id: str
    parent_log_id: str | None
    category: str | None
    content: str
    sibling_order: int | None
    elaboration: Any
