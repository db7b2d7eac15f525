"""A reservation confines the pilots to its nodes; outside it nothing runs."""

from collections.abc import Iterator

import pytest

from ..integration.slurm_server import Slurm
from .cluster import pilot
from .conftest import Make
from .ends import check, finish, idle


@pytest.fixture(scope="module")
def slurm() -> Iterator[Slurm]:
    with Slurm(nodes=4, cpus=4) as made:
        made.scontrol(
            "create", "reservation", "ReservationName=detector", f"Users={made.user}", "Nodes=n2,n3",
            "StartTime=now", "Duration=120",
        )  # fmt: skip
        yield made


@pytest.mark.long
def test_pilots_run_on_the_nodes_of_their_reservation_and_nowhere_else(clusters: Make, slurm: Slurm) -> None:
    with clusters(slurm, pilots=pilot(max=6, cores=2, more='reservation = "detector"')) as cluster:
        cluster.hold()
        cluster.launch()
        for sequence in range(1, 31):
            cluster.write(1, sequence)
        cluster.close_run(1, 30)
        cluster.wait("select count(*) = 4 from item where phase = 'executing' and scope = 'file'", 120, "four execute")
        outside = cluster.slurm.command("squeue", "-h", "-t", "running", "-w", "n1,n4", "-o", "%A")
        assert not outside, outside
        cluster.wait("select count(*) = 6 from pilot where ended_at is null", 30, "two more wait for room")
        cluster.let_go()
        finish(cluster, 30)
        check(cluster)
        idle(cluster)
        hosts = {row.host for row in cluster.rows("select distinct host from attempt where step = 'reconstruct'")}
        assert hosts == {"n2", "n3"}
        assert {row.node for row in cluster.pilot_rows() if row.node} == {"n2", "n3"}


def test_a_reservation_that_is_over_lets_nothing_run_and_is_said(clusters: Make, slurm: Slurm) -> None:
    with clusters(slurm, pilots=pilot(more='reservation = "gone"')) as cluster:
        cluster.launch()
        cluster.write(1, 1)
        cluster.close_run(1, 1)
        cluster.wait("select count(*) > 0 from pilot where status = 'refused'", 60, "refused")
        said = cluster.command("why", "file", "run1_1.raw").stdout
        assert "eservation" in said, said
        assert not slurm.command("squeue", "-h", "-o", "%A")
        tries = cluster.value("select count(*) from pilot")
        assert tries <= 3, "submitted again and again"
