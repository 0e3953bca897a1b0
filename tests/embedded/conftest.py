import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.embedded import Cluster, start


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A folder that does not exist yet, below one of mode 0700, which `nobody` cannot enter. Not
    below pytest's own: its name grows with every run, and the path of a socket must be short."""
    with tempfile.TemporaryDirectory(prefix="embedded-", ignore_cleanup_errors=True) as folder:
        yield Path(folder) / "data"


@pytest.fixture
def cluster(data_dir: Path) -> Iterator[Cluster]:
    with start(data_dir) as cluster:
        yield cluster
