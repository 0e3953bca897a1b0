"""Workflows: sessions whose type says which command comes next."""

from app.contexts.sessions.workflow.progress import next_command, set_result

__all__ = ["next_command", "set_result"]
