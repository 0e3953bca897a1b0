from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from app.schemas.base import Input, Instant, Name, Output

# A segment of a path: without slashes and control characters, neither `.` nor `..`.
_ID = r"^(?!\.{1,2}$)[^/\x00-\x1f\x7f]+$(?!\n)"
Key = Annotated[str, Meta(min_length=1, max_length=200, pattern=_ID)]
# The reports are found below `/api/runs/reports`.
RunKey = Annotated[str, Meta(min_length=1, max_length=200, pattern=rf"^(?!reports$){_ID[1:]}")]
Label = Annotated[str, Meta(min_length=1, max_length=200)]


class DeviceCreate(Input):
    """`state` is any JSON value. Name, state and boundary together are unique per account."""

    name: Name
    device_id: Key | None = None
    state: Any = "SINGLETON"
    boundary: Label | None = "UNKNOWN"
    segmentation: Any = None
    state_sysinfo: Any = None
    elaboration: Any = None


class DeviceUpdate(Input):
    name: Name | UnsetType = UNSET
    state: Any = UNSET
    boundary: Label | UnsetType | None = UNSET
    segmentation: Any = UNSET
    state_sysinfo: Any = UNSET
    elaboration: Any = UNSET


class DeviceOut(Output):
    device_id: str
    account_id: int
    project_id: int | None
    name: str
    state: Any
    boundary: str | None
    segmentation: Any
    state_sysinfo: Any
    elaboration: Any
    inserted_at: Instant
    updated_at: Instant


class NatureCreate(Input):
    orchestration_nature_id: Key
    nature: Name
    elaboration: Any = None


class NatureUpdate(Input):
    nature: Name | UnsetType = UNSET
    elaboration: Any = UNSET


class NatureOut(Output):
    orchestration_nature_id: str
    account_id: int
    nature: str
    elaboration: Any
    inserted_at: Instant
    updated_at: Instant


class RunCreate(Input):
    device_id: Key
    orchestration_nature_id: Key
    version: Label
    orchestration_session_id: RunKey | None = None
    orch_started_at: Instant | None = None
    elaboration: Any = None
    args_json: Any = None
    diagnostics_json: Any = None
    diagnostics_md: str | None = None


class RunUpdate(Input):
    elaboration: Any = UNSET
    diagnostics_json: Any = UNSET
    diagnostics_md: str | UnsetType | None = UNSET


class RunFinish(Input):
    """`orch_finished_at` defaults to now and must not be before the start."""

    orch_finished_at: Instant | None = None
    diagnostics_json: Any = UNSET
    diagnostics_md: str | UnsetType | None = UNSET


class RunCounts(Output):
    """`last_state` is the newest state of the run as a whole; null before the first transition."""

    entry_count: int
    exec_count: int
    failed_exec_count: int
    issue_count: int
    last_state: str | None


class RunSummary(RunCounts):
    orchestration_session_id: str
    account_id: int
    project_id: int | None
    device_id: str
    orchestration_nature_id: str
    version: str
    orch_started_at: Instant
    orch_finished_at: Instant | None


class RunOut(RunSummary):
    elaboration: Any
    args_json: Any
    diagnostics_json: Any
    diagnostics_md: str | None
