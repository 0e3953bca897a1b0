"""The rows of reports about runs. A rate is 0–1, or null where there is nothing to divide by."""

from app.schemas.base import Instant, Output


class DeviceRuns(Output):
    """`name` is null when the device has moved to a project that the caller cannot see."""

    device_id: str
    name: str | None
    session_count: int


class RunDuration(Output):
    orchestration_session_id: str
    device_id: str
    orchestration_nature_id: str
    orch_started_at: Instant
    orch_finished_at: Instant
    duration_seconds: float


class NatureSuccess(Output):
    """Counts the last state of each run as a whole: `completed` and `failed`, in any case."""

    orchestration_nature_id: str
    nature: str
    session_count: int
    completed: int
    failed: int
    success_rate: float | None


class RunScripts(Output):
    """`scripts` are the first 100 `ingest_src`, in the order of posting."""

    orchestration_session_id: str
    entry_count: int
    scripts: list[str]


class NatureExecutions(Output):
    exec_nature: str
    exec_count: int
    succeeded: int
    failed: int
    success_rate: float


class IssueType(Output):
    issue_type: str
    issue_count: int
    session_count: int
    remediation_count: int


class IssueRemediation(Output):
    orchestration_session_id: str
    orchestration_session_issue_id: str
    issue_type: str
    issue_message: str
    remediation: str


class RunLogLine(Output):
    """`content` ends after 2,000 characters."""

    orchestration_session_id: str
    orchestration_session_log_id: str
    exec_id: str
    exec_nature: str
    exec_identity: str | None
    parent_log_id: str | None
    category: str | None
    sibling_order: int | None
    content: str


ReportRow = (
    DeviceRuns
    | RunDuration
    | NatureSuccess
    | RunScripts
    | NatureExecutions
    | IssueType
    | IssueRemediation
    | RunLogLine
)
# Every report by its name, with the struct of its rows: the route and the command offer these.
REPORTS: dict[str, type[ReportRow]] = {
    "by-device": DeviceRuns,
    "duration": RunDuration,
    "success-rate": NatureSuccess,
    "scripts": RunScripts,
    "executions": NatureExecutions,
    "issues": IssueType,
    "remediations": IssueRemediation,
    "logs": RunLogLine,
}
