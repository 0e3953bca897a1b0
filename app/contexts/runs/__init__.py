"""Evidence of what orchestrated jobs did on devices: recorded, reported, never rewritten."""

from app.contexts.runs.devices import (
    create_device,
    create_known_natures,
    create_nature,
    delete_device,
    delete_nature,
    detach_devices,
    get_device,
    get_nature,
    list_devices,
    list_natures,
    move_device,
    update_device,
    update_nature,
)
from app.contexts.runs.evidence import (
    add_run_evidence,
    list_run_evidence,
)
from app.contexts.runs.kinds import EVIDENCE_KINDS, Kind
from app.contexts.runs.markdown import render_run
from app.contexts.runs.reports import get_run_report
from app.contexts.runs.runs import (
    RunFilter,
    count_evidence,
    create_run,
    delete_run,
    detach_runs,
    finish_run,
    get_run,
    list_runs,
    move_run,
    update_run,
)

__all__ = [
    "EVIDENCE_KINDS",
    "Kind",
    "RunFilter",
    "add_run_evidence",
    "count_evidence",
    "create_device",
    "create_known_natures",
    "create_nature",
    "create_run",
    "delete_device",
    "delete_nature",
    "delete_run",
    "detach_devices",
    "detach_runs",
    "finish_run",
    "get_device",
    "get_nature",
    "get_run",
    "get_run_report",
    "list_devices",
    "list_natures",
    "list_run_evidence",
    "list_runs",
    "move_device",
    "move_run",
    "render_run",
    "update_device",
    "update_nature",
    "update_run",
]
