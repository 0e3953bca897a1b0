"""Feed events of orchestrations, their actions and their decisions: one builder each."""

from typing import Protocol
from uuid import UUID

from app import feed
from app.db import Db
from app.models import Orchestration, OrchestrationDecision
from app.scope import Scope


class Action(Protocol):
    """An action's row, or the columns of one."""

    @property
    def action_id(self) -> UUID: ...
    @property
    def status(self) -> str: ...
    @property
    def critical(self) -> bool: ...
    @property
    def retry_count(self) -> int: ...
    @property
    def assigned_agent_id(self) -> UUID | None: ...


def record_orchestration(
    scope: Scope, db: Db, session: Orchestration, event: str, agent_id: str | None = None
) -> None:
    feed.record(
        scope,
        db,
        f"orchestration.{event}",
        session.session_id,
        project_id=session.project_id,
        status=session.session_status,
        chairman_oversight=session.chairman_oversight,
        agents=len(session.active_agents),
        agent_id=agent_id,
    )


def record_action(scope: Scope, db: Db, session: Orchestration, action: Action, event: str) -> None:
    feed.record(
        scope,
        db,
        f"action.{event}",
        action.action_id,
        project_id=session.project_id,
        orchestration_id=session.session_id,
        status=action.status,
        critical=action.critical,
        retry_count=action.retry_count,
        agent_id=action.assigned_agent_id,
    )


def record_decision(
    scope: Scope, db: Db, session: Orchestration, decision: OrchestrationDecision, event: str
) -> None:
    feed.record(
        scope,
        db,
        f"decision.{event}",
        decision.decision_id,
        project_id=session.project_id,
        orchestration_id=session.session_id,
        action_id=decision.action_id,
        requested_by=decision.requested_by,
        decided_by=decision.decided_by,
        note=decision.note,
    )
