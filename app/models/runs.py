"""What a job did on a device (RSSD's orchestration_session): devices, natures and runs."""

import datetime
from typing import Any

from advanced_alchemy.types import DateTimeUTC
from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, MappedColumn, mapped_column

from app.errors import Conflict, NotFound, on_violation
from app.models.base import JSONB, ProjectOwned, TenantOwned, now_column

# Every account has these from the start.
KNOWN_NATURES = {
    "v&v": "Verification and Validation",
    "deidentification": "De-identification",
    "transform-csv": "Transform CSV",
    "transform-html": "Transform HTML",
    "transform-xml": "Transform XML",
}


def json_column() -> MappedColumn[Any]:
    """Any JSON value. A JSON null is stored as SQL's null, as in the seed's `json_valid(x) OR x IS
    NULL`."""
    return mapped_column(JSONB(none_as_null=True), nullable=True)


class Device(ProjectOwned):
    __tablename__ = "device"

    device_id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    state: Mapped[Any] = mapped_column(
        JSONB(none_as_null=True), nullable=True, server_default=text("'\"SINGLETON\"'")
    )
    boundary: Mapped[str | None] = mapped_column(server_default=text("'UNKNOWN'"))
    segmentation: Mapped[Any] = json_column()
    state_sysinfo: Mapped[Any] = json_column()
    elaboration: Mapped[Any] = json_column()
    inserted_at: Mapped[datetime.datetime] = now_column()
    updated_at: Mapped[datetime.datetime] = now_column(on_update=True)

    __table_args__ = (
        ForeignKeyConstraint(
            ["account_id", "project_id"],
            ["projects.account_id", "projects.id"],
            name="fk_device_project",
            ondelete="SET NULL (project_id)",
        ),
        UniqueConstraint(
            "account_id", "name", "state", "boundary", postgresql_nulls_not_distinct=True
        ),
        # The SET NULL from its project, and lists of one project.
        Index("ix_device_project_id", "account_id", "project_id"),
    )


class OrchestrationNature(TenantOwned):
    """The kind of work that a run does. It belongs to the account, whatever the project."""

    __tablename__ = "orchestration_nature"

    orchestration_nature_id: Mapped[str] = mapped_column(primary_key=True)
    nature: Mapped[str]
    elaboration: Mapped[Any] = json_column()
    inserted_at: Mapped[datetime.datetime] = now_column()
    updated_at: Mapped[datetime.datetime] = now_column(on_update=True)


class Run(ProjectOwned):
    """`version` is that of the program that ran, as in the seed, not a row version."""

    __tablename__ = "orchestration_session"

    orchestration_session_id: Mapped[str] = mapped_column(primary_key=True)
    device_id: Mapped[str]
    orchestration_nature_id: Mapped[str]
    version: Mapped[str]
    orch_started_at: Mapped[datetime.datetime] = mapped_column(
        DateTimeUTC(timezone=True), nullable=True, server_default=text("CURRENT_TIMESTAMP")
    )
    orch_finished_at: Mapped[datetime.datetime | None]
    elaboration: Mapped[Any] = json_column()
    args_json: Mapped[Any] = json_column()
    diagnostics_json: Mapped[Any] = json_column()
    diagnostics_md: Mapped[str | None]

    __table_args__ = (
        ForeignKeyConstraint(
            ["account_id", "project_id"],
            ["projects.account_id", "projects.id"],
            name="fk_orchestration_session_project",
            ondelete="SET NULL (project_id)",
        ),
        ForeignKeyConstraint(
            ["account_id", "device_id"],
            ["device.account_id", "device.device_id"],
            name="fk_orchestration_session_device",
            ondelete="RESTRICT",
        ),
        ForeignKeyConstraint(
            ["account_id", "orchestration_nature_id"],
            ["orchestration_nature.account_id", "orchestration_nature.orchestration_nature_id"],
            name="fk_orchestration_session_nature",
            ondelete="RESTRICT",
        ),
        CheckConstraint("orch_finished_at >= orch_started_at", name="finished"),
        # Runs of one project, of one device, of one nature; each also serves its foreign key.
        Index("ix_orchestration_session_project_id", "account_id", "project_id"),
        Index("ix_orchestration_session_device_id", "account_id", "device_id"),
        Index("ix_orchestration_session_nature_id", "account_id", "orchestration_nature_id"),
        # The keyset of the list, newest first.
        Index(
            "ix_orchestration_session_started",
            "account_id",
            "orch_started_at",
            "orchestration_session_id",
        ),
    )


def _taken(what: str) -> Conflict:
    return Conflict(f"Another {what} of this account has this id.", code="id_taken")


on_violation("pk_device", lambda: _taken("device"))
on_violation("pk_orchestration_nature", lambda: _taken("nature"))
on_violation("pk_orchestration_session", lambda: _taken("run"))
on_violation(
    "uq_device_account_id_name_state_boundary",
    lambda: Conflict(
        "Another device of this account has this name, state and boundary.", code="device_exists"
    ),
)
on_violation(
    "fk_orchestration_session_device",
    lambda: Conflict("Runs refer to this device.", code="device_in_use"),
)
on_violation(
    "fk_orchestration_session_nature",
    lambda: Conflict("Runs refer to this nature.", code="nature_in_use"),
)
on_violation("fk_device_project", NotFound)
on_violation("fk_orchestration_session_project", NotFound)
