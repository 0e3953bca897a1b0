"""The six kinds of evidence: how each is identified, named in the feed, and what it refers to."""

from typing import Generic, NamedTuple, TypeVar

from app.models import RunEntry, RunExec, RunIssue, RunIssueRelation, RunLog, RunState
from app.models.evidence import Evidence

Row = TypeVar("Row", bound=Evidence)
References = dict[str, tuple[type[Evidence], str]]


class Kind(NamedTuple, Generic[Row]):
    """`references` lead from a field to the model and the key it must find in the same run."""

    model: type[Row]
    key: str
    event: str
    references: References


_TO_ENTRY: References = {"session_entry_id": (RunEntry, "orchestration_session_entry_id")}
_ISSUE_KEY = "orchestration_session_issue_id"

ENTRY = Kind(RunEntry, "orchestration_session_entry_id", "entries_added", {})
STATE = Kind(RunState, "orchestration_session_state_id", "states_added", _TO_ENTRY)
EXEC = Kind(
    RunExec,
    "orchestration_session_exec_id",
    "execs_added",
    {**_TO_ENTRY, "parent_exec_id": (RunExec, "orchestration_session_exec_id")},
)
ISSUE = Kind(RunIssue, _ISSUE_KEY, "issues_added", _TO_ENTRY)
RELATION = Kind(
    RunIssueRelation,
    "orchestration_session_issue_relation_id",
    "issue_relations_added",
    {"issue_id_prime": (RunIssue, _ISSUE_KEY), "issue_id_rel": (RunIssue, _ISSUE_KEY)},
)
LOG = Kind(
    RunLog,
    "orchestration_session_log_id",
    "logs_added",
    {
        "exec_id": (RunExec, "orchestration_session_exec_id"),
        "parent_log_id": (RunLog, "orchestration_session_log_id"),
    },
)
