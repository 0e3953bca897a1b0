from pathlib import Path
from typing import Never

from app.embedded.errors import EmbeddedError


class Cluster:
    """Keeps annotations valid on Windows, where no cluster is ever made."""


def start(data_dir: Path, *, bin_dir: Path | None = None) -> Never:
    raise EmbeddedError(
        f"cannot run an embedded PostgreSQL in {data_dir} on Windows: set DATABASE_URL"
    )
