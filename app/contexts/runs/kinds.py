"""The six kinds of evidence: the name, key, schemas and references of each."""

from typing import Any, NamedTuple

from app.models import RunEntry, RunExec, RunIssue, RunIssueRelation, RunLog, RunState
from app.models.evidence import Evidence
from app.schemas.evidence import (
    EntryInput,
    EntryOut,
    ExecInput,
    ExecOut,
    IssueInput,
    IssueOut,
    IssueRelationInput,
    IssueRelationOut,
    LogInput,
    LogOut,
    StateInput,
    StateOut,
)

References = dict[str, tuple[type[Evidence], str]]

_ENTRY_KEY = "orchestration_session_entry_id"
_EXEC_KEY = "orchestration_session_exec_id"
_ISSUE_KEY = "orchestration_session_issue_id"
_LOG_KEY = "orchestration_session_log_id"


class Kind(NamedTuple):
    """`references` lead from a field to the model and the key it must find in the same run."""

    name: str
    model: type[Evidence]
    key: str
    input: type[Any]
    output: type[Any]
    references: References
    prints: bool = False
    """Whether its text may be the output of a program, in which NUL characters are replaced."""


_TO_ENTRY: References = {"session_entry_id": (RunEntry, _ENTRY_KEY)}

ENTRY = Kind("entries", RunEntry, _ENTRY_KEY, EntryInput, EntryOut, {})
STATE = Kind("states", RunState, "orchestration_session_state_id", StateInput, StateOut, _TO_ENTRY)
EXEC = Kind(
    "execs",
    RunExec,
    _EXEC_KEY,
    ExecInput,
    ExecOut,
    {**_TO_ENTRY, "parent_exec_id": (RunExec, _EXEC_KEY)},
    prints=True,
)
ISSUE = Kind("issues", RunIssue, _ISSUE_KEY, IssueInput, IssueOut, _TO_ENTRY, prints=True)
RELATION = Kind(
    "issue_relations",
    RunIssueRelation,
    "orchestration_session_issue_relation_id",
    IssueRelationInput,
    IssueRelationOut,
    {"issue_id_prime": (RunIssue, _ISSUE_KEY), "issue_id_rel": (RunIssue, _ISSUE_KEY)},
)
LOG = Kind(
    "logs",
    RunLog,
    _LOG_KEY,
    LogInput,
    LogOut,
    {"exec_id": (RunExec, _EXEC_KEY), "parent_log_id": (RunLog, _LOG_KEY)},
    prints=True,
)
EVIDENCE_KINDS = (ENTRY, STATE, EXEC, ISSUE, RELATION, LOG)
