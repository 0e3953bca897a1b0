"""Every table, so that the metadata is complete wherever one model is imported."""

from app.models.accounts import Account, ApiToken, Member, User, UserPreference
from app.models.base import Base
from app.models.continuity import (
    Checkpoint,
    ContinuitySettings,
    LoggedCommand,
    StoredEvent,
    SupervisorSession,
)
from app.models.feed import FeedCounter, FeedEventRow
from app.models.idempotency import IdempotencyKey
from app.models.projects import Component, Project
from app.models.sessions import InteractionKey, InteractionPage, Session

__all__ = [
    "Account",
    "ApiToken",
    "Base",
    "Checkpoint",
    "Component",
    "ContinuitySettings",
    "FeedCounter",
    "FeedEventRow",
    "IdempotencyKey",
    "InteractionKey",
    "InteractionPage",
    "LoggedCommand",
    "Member",
    "Project",
    "Session",
    "StoredEvent",
    "SupervisorSession",
    "User",
    "UserPreference",
]
