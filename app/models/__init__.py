"""Imports every table, so that the metadata is complete wherever one model is imported."""

from app.models.accounts import Account, ApiToken, Member, User, UserPreference
from app.models.base import Base
from app.models.continuity import (
    Checkpoint,
    ContinuitySettings,
    LoggedCommand,
    StoredEvent,
    SupervisorSession,
)
from app.models.evidence import (
    RunEntry,
    RunExec,
    RunIssue,
    RunIssueRelation,
    RunLog,
    RunState,
)
from app.models.feed import FeedCounter, FeedEventRow
from app.models.fleet import Agent, Claim, FleetSettings, WorkItem, WorkItemConflict
from app.models.idempotency import IdempotencyKey
from app.models.orchestrations import (
    Orchestration,
    OrchestrationAction,
    OrchestrationDecision,
)
from app.models.projects import Component, Project
from app.models.runs import Device, OrchestrationNature, Run
from app.models.sessions import InteractionKey, InteractionPage, Session

__all__ = [
    "Account",
    "Agent",
    "ApiToken",
    "Base",
    "Checkpoint",
    "Claim",
    "Component",
    "ContinuitySettings",
    "Device",
    "FeedCounter",
    "FeedEventRow",
    "FleetSettings",
    "IdempotencyKey",
    "InteractionKey",
    "InteractionPage",
    "LoggedCommand",
    "Member",
    "Orchestration",
    "OrchestrationAction",
    "OrchestrationDecision",
    "OrchestrationNature",
    "Project",
    "Run",
    "RunEntry",
    "RunExec",
    "RunIssue",
    "RunIssueRelation",
    "RunLog",
    "RunState",
    "Session",
    "StoredEvent",
    "SupervisorSession",
    "User",
    "UserPreference",
    "WorkItem",
    "WorkItemConflict",
]
