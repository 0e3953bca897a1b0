from collections.abc import Iterator
from pathlib import Path

import pytest

from app.embedded import Cluster, start


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Not there yet. As root it lies below folders of mode 0700, which `nobody` cannot enter."""
    return tmp_path / "data"


@pytest.fixture
def cluster(data_dir: Path) -> Iterator[Cluster]:
    with start(data_dir) as cluster:
        yield cluster
