"""A pilot's walltime: what cannot end within it is asked for once more with more, then fails with that reason."""

from collections.abc import Iterator

import pytest

from ..integration.slurm_server import Slurm
from .cluster import Cluster, pilot
from .conftest import Make
from .ends import check, finish, idle

pytestmark = pytest.mark.slow
SHORT = pilot(walltime="0:01:00", drain_s=20, max=2, more="large = 2.0")
LARGE = "select count(*) > 0 from pilot where large and status = 'running'"
AGAIN = "select count(*) > 0 from item where phase = 'executing' and request ? 'walltime'"


@pytest.fixture(scope="module")
def slurm() -> Iterator[Slurm]:
    with Slurm(nodes=2, cpus=4) as made:
        yield made


def begin(cluster: Cluster) -> None:
    cluster.hold()
    cluster.launch()
    cluster.write(1, 1)
    cluster.close_run(1, 1)
    cluster.wait(AGAIN, 240, "it is tried again in a larger pilot")
    assert cluster.value(LARGE)


def test_what_takes_longer_than_its_pilot_is_done_in_one_with_more_walltime(clusters: Make, slurm: Slurm) -> None:
    with clusters(slurm, pilots=SHORT) as cluster:
        begin(cluster)
        said = {row.reason_code for row in cluster.rows("select reason_code from history where trigger = 'interrupt'")}
        assert said == {"walltime"}
        cluster.let_go()
        finish(cluster, 1)
        check(cluster)
        idle(cluster, 240)


def test_what_takes_longer_than_that_too_fails_with_that_reason(clusters: Make, slurm: Slurm) -> None:
    with clusters(slurm, pilots=SHORT) as cluster:
        begin(cluster)
        cluster.wait("select count(*) = 1 from item where phase = 'failed'", 300, "failed")
        (row,) = cluster.rows("select reason_code, reason from item where phase = 'failed'")
        assert row.reason_code == "walltime"
        assert "walltime" in cluster.command("why", "file", "run1_1.raw").stdout
