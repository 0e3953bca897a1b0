"""The session types this server knows, by their short name."""

from app.errors import Invalid

RECORDED = "RecordedSessions"

SESSION_TYPES = (
    "ContextDesignSessions",
    "ComponentDesignSessions",
    "ComponentTestSessions",
    "ComponentCodingSessions",
    "IntegrationSessions",
    RECORDED,
)


def require_session_type(name: str) -> None:
    """Raises Invalid listing the known types."""
    if name not in SESSION_TYPES:
        raise Invalid.field("type", f"must be one of {', '.join(SESSION_TYPES)}")


def has_workflow(name: str) -> bool:
    return name != RECORDED
