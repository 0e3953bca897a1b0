"""Appends: new interactions, of one request or of many in one transaction."""

from app.contexts.sessions.appending.plan import Appended, append_interactions
from app.contexts.sessions.appending.queue import AppendQueue

__all__ = ["AppendQueue", "Appended", "append_interactions"]
