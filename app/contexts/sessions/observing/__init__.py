"""Sessions recorded from the events of an agent's hooks and from its transcripts."""

from app.contexts.sessions.observing.observe import lock_known, observe

__all__ = ["lock_known", "observe"]
