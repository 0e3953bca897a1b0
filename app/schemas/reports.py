"""The rows of the reports about runs. A rate is 0–1, or null where there is nothing to divide."""

from app.schemas.base import Instant, Output


class DeviceRuns(Output):
    """`name` is null for a device that has moved to where the caller may not see it."""

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
    """By the last session-level state: `completed` and `failed`, however they are capitalised."""

    orchestration_nature_id: str
    nature: str
    session_count: int
    completed: int
    failed: int
    success_rate: float | None


class RunScripts(Output):
    """`scripts` are the first 100 ingest_src, as posted."""

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
    """`content` is cut after 2,000 characters."""

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
# Every report by its name: what the route and the command offer, and what each row is.
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
