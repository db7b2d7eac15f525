"""A cluster of one kind of pilot."""

from pathlib import Path

import pytest

from .small_cluster import SmallCluster


@pytest.fixture
def cluster(tmp_path: Path) -> SmallCluster:
    return SmallCluster(tmp_path)
