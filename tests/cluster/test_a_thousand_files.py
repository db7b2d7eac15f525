"""A run through real reconstruction on four nodes: as many pilots as there is work for, none when there is none."""

import time
from collections.abc import Iterator

import pytest

from headframe.consumers.tpc.simulate import write_raw

from ..faults.centre import step
from ..integration.slurm_server import Slurm
from .cluster import Cluster, pilot
from .conftest import Make
from .ends import check, finish, idle

REAL = "\n".join(
    [
        step("reconstruct", "reconstructed", use="reconstruct", lease_s=60),
        step("catalog", "cataloged", makes="nothing", use="catalog", parcel=20),
    ]
)
FIRST_S, BESIDE_OTHERS_S = 3.0, 15.0
"""From SLURM's start of a pilot to its first file: by itself, and while other tests run."""


@pytest.fixture(scope="module")
def slurm() -> Iterator[Slurm]:
    with Slurm(nodes=4, cpus=2, memory=8000) as made:
        yield made


def go_through(cluster: Cluster, files: int, within_s: float) -> tuple[float, int, float]:
    """Let a run through; give the seconds, the most pilots at once, and how long the first file waited in its pilot."""
    for sequence in range(1, files + 1):
        path = cluster.inbox / f"run1_{sequence}.raw"
        hidden = cluster.inbox.parent / f"{sequence}.part"
        write_raw(hidden, run=1, sequence=sequence, kind="science", seed=sequence, events=2, first_event=2 * sequence)
        hidden.rename(path)
        cluster.written.add(path.name)
    cluster.close_run(1, files)
    began, most = time.monotonic(), 0
    while time.monotonic() < began + within_s and not cluster.value(_ALL, files=files):
        most = max(most, cluster.live_pilots())
        time.sleep(0.5)
    finish(cluster, files, 5)
    took = time.monotonic() - began
    return took, most, float(cluster.value(_FIRST))


_ALL = "select count(*) = :files and bool_and(phase = 'done') from item where scope = 'file'"
_FIRST = """
select min(extract(epoch from a.started_at - p.started_at)) from pilot p join attempt a on a.job = p.job
where p.id = (select min(id) from pilot where started_at is not null)
"""


def through_reconstruct(cluster: Cluster, files: int, within_s: float, first_s: float) -> None:
    cluster.launch()
    assert cluster.live_pilots() == 0
    took, most, first = go_through(cluster, files, within_s)
    check(cluster)
    idle(cluster)
    hosts = [row.host for row in cluster.rows("select distinct host from attempt where step = 'reconstruct'")]
    used = cluster.value("select count(*) from pilot")
    print(
        f"\n{files} files on {sorted(hosts)} in {took:.0f} s; at most {most} pilots at once, {used} in all, none left; "
        f"the first file executes {first:.1f} s after SLURM started its pilot"
    )
    assert 1 <= most <= 4
    assert first < first_s


def test_files_go_through_and_the_pilots_leave(clusters: Make, slurm: Slurm) -> None:
    with clusters(slurm, steps=REAL, pilots=pilot(cores=2, memory="1900M")) as cluster:
        through_reconstruct(cluster, 60, 300, BESIDE_OTHERS_S)


@pytest.mark.slow
def test_a_thousand_files_go_through_four_nodes(clusters: Make, slurm: Slurm) -> None:
    with clusters(slurm, steps=REAL, pilots=pilot(cores=2, memory="1900M")) as cluster:
        through_reconstruct(cluster, 1000, 1800, FIRST_S)
        assert cluster.value("select count(distinct host) from attempt where step = 'reconstruct'") == 4
