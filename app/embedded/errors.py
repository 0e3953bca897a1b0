class EmbeddedError(Exception):
    """The embedded PostgreSQL cannot run; the message says in one line why, and what to do."""
