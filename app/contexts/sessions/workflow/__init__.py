"""Workflows: sessions whose type says which command comes next."""

from app.contexts.sessions.workflow.progress import next_session_command, set_interaction_result

__all__ = ["next_session_command", "set_interaction_result"]
