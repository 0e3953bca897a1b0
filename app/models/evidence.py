"""What a run leaves behind: entries, states, execs, issues, their relations, and the log.

Every reference carries the run's id, so that it cannot leave the run even by a bug.
"""

import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    Integer,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.errors import Conflict, on_violation
from app.models.base import TenantOwned, now_column
from app.models.runs import json_column


class Evidence(TenantOwned):
    """`position` numbers the rows of one kind in a run, 1, 2, 3…, as they were posted."""

    __abstract__ = True

    session_id: Mapped[str]
    position: Mapped[int] = mapped_column(BigInteger)
    elaboration: Mapped[Any] = json_column()


def _of_run(table: str) -> tuple[ForeignKeyConstraint, UniqueConstraint]:
    """The unique key also gives the order in which the rows of a run are listed."""
    return (
        ForeignKeyConstraint(
            ["account_id", "session_id"],
            ["orchestration_session.account_id", "orchestration_session.orchestration_session_id"],
            name=f"fk_{table}_session",
            ondelete="CASCADE",
        ),
        UniqueConstraint("account_id", "session_id", "position", name=f"uq_{table}_position"),
    )


def _refers(table: str, column: str, target: str) -> tuple[ForeignKeyConstraint, Index]:
    """The index serves the check that deleting the target row makes."""
    return (
        ForeignKeyConstraint(
            ["account_id", "session_id", column],
            [f"{target}.account_id", f"{target}.session_id", f"{target}.{target}_id"],
            name=f"fk_{table}_{column}",
        ),
        Index(
            f"ix_{table}_{column}",
            "account_id",
            "session_id",
            column,
            postgresql_where=text(f"{column} IS NOT NULL"),
        ),
    )


def _referable(table: str) -> UniqueConstraint:
    return UniqueConstraint("account_id", "session_id", f"{table}_id", name=f"uq_{table}_session")


_ENTRY = "orchestration_session_entry"
_STATE = "orchestration_session_state"
_EXEC = "orchestration_session_exec"
_ISSUE = "orchestration_session_issue"
_RELATION = "orchestration_session_issue_relation"
_LOG = "orchestration_session_log"


class RunEntry(Evidence):
    """`ingest_src` is a file name or a URI."""

    __tablename__ = _ENTRY

    orchestration_session_entry_id: Mapped[str] = mapped_column(primary_key=True)
    ingest_src: Mapped[str]
    ingest_table_name: Mapped[str | None]

    __table_args__ = (*_of_run(_ENTRY), _referable(_ENTRY))


class RunState(Evidence):
    """A transition of the run itself, or of one of its entries."""

    __tablename__ = _STATE

    orchestration_session_state_id: Mapped[str] = mapped_column(primary_key=True)
    session_entry_id: Mapped[str | None]
    from_state: Mapped[str]
    to_state: Mapped[str]
    transition_result: Mapped[Any] = json_column()
    reason: Mapped[str | None]
    transitioned_at: Mapped[datetime.datetime] = now_column()

    __table_args__ = (*_of_run(_STATE), *_refers(_STATE, "session_entry_id", _ENTRY))


class RunExec(Evidence):
    """One execution; `exec_status` 0 is success. `parent_exec_id` makes executions a tree."""

    __tablename__ = _EXEC

    orchestration_session_exec_id: Mapped[str] = mapped_column(primary_key=True)
    exec_nature: Mapped[str]
    session_entry_id: Mapped[str | None]
    parent_exec_id: Mapped[str | None]
    namespace: Mapped[str | None]
    exec_identity: Mapped[str | None]
    exec_code: Mapped[str]
    exec_status: Mapped[int] = mapped_column(Integer)
    input_text: Mapped[str | None]
    exec_error_text: Mapped[str | None]
    output_text: Mapped[str | None]
    output_nature: Mapped[Any] = json_column()
    narrative_md: Mapped[str | None]

    __table_args__ = (
        *_of_run(_EXEC),
        _referable(_EXEC),
        *_refers(_EXEC, "session_entry_id", _ENTRY),
        *_refers(_EXEC, "parent_exec_id", _EXEC),
        CheckConstraint("parent_exec_id <> orchestration_session_exec_id", name="own_parent"),
    )


class RunIssue(Evidence):
    __tablename__ = _ISSUE

    orchestration_session_issue_id: Mapped[str] = mapped_column(primary_key=True)
    session_entry_id: Mapped[str | None]
    issue_type: Mapped[str]
    issue_message: Mapped[str]
    issue_row: Mapped[int | None] = mapped_column(BigInteger)
    issue_column: Mapped[str | None]
    invalid_value: Mapped[str | None]
    remediation: Mapped[str | None]

    __table_args__ = (
        *_of_run(_ISSUE),
        _referable(_ISSUE),
        *_refers(_ISSUE, "session_entry_id", _ENTRY),
    )


class RunIssueRelation(Evidence):
    __tablename__ = _RELATION

    orchestration_session_issue_relation_id: Mapped[str] = mapped_column(primary_key=True)
    issue_id_prime: Mapped[str]
    issue_id_rel: Mapped[str]
    relationship_nature: Mapped[str]

    __table_args__ = (
        *_of_run(_RELATION),
        *_refers(_RELATION, "issue_id_prime", _ISSUE),
        *_refers(_RELATION, "issue_id_rel", _ISSUE),
        CheckConstraint("issue_id_prime <> issue_id_rel", name="itself"),
    )


class RunLog(Evidence):
    """A line that an execution wrote; `sibling_order` sorts the lines below one parent."""

    __tablename__ = _LOG

    orchestration_session_log_id: Mapped[str] = mapped_column(primary_key=True)
    exec_id: Mapped[str]
    parent_log_id: Mapped[str | None]
    category: Mapped[str | None]
    content: Mapped[str]
    sibling_order: Mapped[int | None] = mapped_column(Integer)

    __table_args__ = (
        *_of_run(_LOG),
        _referable(_LOG),
        *_refers(_LOG, "exec_id", _EXEC),
        *_refers(_LOG, "parent_log_id", _LOG),
        CheckConstraint("parent_log_id <> orchestration_session_log_id", name="own_parent"),
    )


for _table in (_ENTRY, _STATE, _EXEC, _ISSUE, _RELATION, _LOG):
    on_violation(
        f"pk_{_table}",
        lambda: Conflict("Another row of this account has this id.", code="id_taken"),
    )
