"""A PostgreSQL for one data folder, used when no DATABASE_URL is given."""

import sys

from app.embedded.errors import EmbeddedError

if sys.platform == "win32":
    from app.embedded.unsupported import Cluster, start
else:
    from app.embedded.cluster import Cluster, start

__all__ = ["Cluster", "EmbeddedError", "start"]
