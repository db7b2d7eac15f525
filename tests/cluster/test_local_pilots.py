"""One machine without a batch system: pilots are local processes, started by the launcher as anywhere else."""

import os
from pathlib import Path

import pytest

from headframe.daemon.slurm.local import Local

from .cluster import pilot
from .conftest import Make
from .ends import check, end_jobs, finish

FILES = 20


class NoSlurm:
    """What a cluster asks of its SLURM, where there is none."""

    environ = dict(os.environ)
    user = ""
    stdout = "there is no SLURM"

    def try_command(self, *_: str) -> "NoSlurm":
        return self


@pytest.mark.long
def test_files_are_cataloged_by_pilots_that_are_local_processes_and_leave(clusters: Make) -> None:
    with clusters(NoSlurm(), pilots=pilot(max=2, workers=2, within_s=5)) as cluster:
        config = cluster.cluster_config
        config.write_text(config.read_text().replace("[launcher]", '[launcher]\nback_end = "local"'))
        batch = Local(cluster.folder / "pilots" / "jobs")
        try:
            cluster.launch()
            for sequence in range(1, FILES + 1):
                cluster.write(1, sequence)
            cluster.close_run(1, FILES)
            finish(cluster, FILES)
            check(cluster)
            cluster.wait("select count(*) = 0 from pilot where ended_at is null", 60, "no pilot is left")
            rows = cluster.pilot_rows()
            assert rows and {row.code for row in rows} == {"done"}, cluster.stands()
            worked = {row.job for row in cluster.rows("select distinct job from attempt where step = 'reconstruct'")}
            assert worked and worked <= {row.job for row in rows}
            assert all(Path(row.log).is_file() for row in rows), [row.log for row in rows]
        finally:
            left = end_jobs(batch)
        assert not left
