"""A node on which every pilot dies as it starts, the first to be free again and so the first to get the next one."""

from collections.abc import Iterator

import pytest

from ..integration.slurm_server import Slurm
from .cluster import pilot
from .conftest import Make
from .ends import check, finish, idle

BAD = '[ "$SLURMD_NODENAME" = n2 ] && exit 7'
BROKEN = pilot(cores=2, within_s=2, script=[BAD])
"""Each pilot fills a node, so that they spread over all of them."""
ASIDE = "select count(*) = 1 from pause where what = 'node' and name = 'n2'"
FILES = 40


@pytest.fixture(scope="module")
def slurm() -> Iterator[Slurm]:
    with Slurm(nodes=4, cpus=2) as made:
        yield made


@pytest.mark.long
def test_a_node_that_kills_pilots_as_they_start_is_set_aside_and_the_work_is_done_elsewhere(
    clusters: Make, slurm: Slurm
) -> None:
    with clusters(slurm, pilots=BROKEN) as cluster:
        cluster.hold()  # so that the others live, and one more is always wanted
        cluster.launch()
        for sequence in range(1, FILES + 1):
            cluster.write(1, sequence)
        cluster.close_run(1, FILES)
        cluster.wait(ASIDE, 180, "n2 is set aside")
        cluster.let_go()
        reason = str(cluster.value("select reason from pause where what = 'node'"))
        assert "pilots of reconstruct died in a row" in reason, reason
        assert "(failed " in reason and "did well on " in reason, reason
        finish(cluster, FILES)
        check(cluster)
        hosts = {row.host for row in cluster.rows("select distinct host from attempt where step = 'reconstruct'")}
        assert hosts and "n2" not in hosts
        before = int(cluster.value("select count(*) from pilot where node = 'n2'"))
        for sequence in range(1, FILES + 1):
            cluster.write(2, sequence)
        cluster.close_run(2, FILES)
        finish(cluster, 2 * FILES)
        assert cluster.value("select count(*) from pilot where node = 'n2'") == before, "nothing more goes there"
        idle(cluster)
        done = cluster.command("resume", "--node", "n2", "--reason", "mended", "--yes")
        assert done.returncode == 0, done.stderr
        assert not cluster.value(ASIDE)
