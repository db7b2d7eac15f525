"""Pilots: real processes over a real broker and store, with the variables and signals of SLURM."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .pilot_bench import CONFIG, SCRIPT, PilotBench, epoch_in, processes_of
from .rabbit_server import RabbitServer
from .server_tables import server_tables
from .servers import wait_until

Make = Callable[..., PilotBench]
WORKED = "select 1 from item where scope = 'file' and state = 'worked' having count(*) = {}"


@pytest.fixture
def make(tmp_path: Path, empty_database_url: str, rabbit: RabbitServer, rabbit_instance: str) -> Iterator[Make]:
    made: list[PilotBench] = []

    def making(script: str = SCRIPT, more: str = "", **changes: str) -> PilotBench:
        config = CONFIG.replace("{script}", script).replace("{folder}", str(tmp_path))
        for before, after in changes.items():
            assert f"{before} = " in config
            config = "\n".join(
                f"{before} = {after}" if f"{before} = " in line else line for line in config.splitlines()
            )
        servers = server_tables(tmp_path, rabbit_instance, empty_database_url, rabbit)
        made.append(PilotBench(tmp_path, servers, config + more))
        return made[-1]

    yield making
    for one in made:
        one.close()


def test_a_pilot_works_tells_of_itself_and_leaves_when_idle(make: Make) -> None:
    bench = make("true", idle_s="2")
    bench.arrive(1, 2, 3)
    pilot = bench.pilot(SLURM_JOB_END_TIME=epoch_in(3600), SLURM_MEM_PER_NODE="2048", SLURM_CPUS_ON_NODE="4")
    row = bench.until("select * from pilot where status = 'running'", "the pilot is heard of")
    assert (row["node"], row["job"]) == ("n1", "4711")
    assert row["ends_at"] is not None
    detail = row["detail"]
    assert (detail["cpus"], detail["memory"], detail["workers"]) == (4, 2 << 30, 2)
    bench.until(WORKED.format(3), "all are worked on")
    assert bench.ended(pilot) == 0
    last = bench.until("select * from pilot where detail ->> 'what' = 'left'", "its last word")
    assert last["detail"]["leaves"] == "there was nothing to do for 2 s"
    tried = bench.rows("select distinct host, job from attempt")
    assert tried == [{"host": "n1", "job": "4711"}]
    seen = bench.rows(
        "select role, host, detail ->> 'name' as name, detail ->> 'pilot' as pilot from process order by 1, 3"
    )
    of_pilot = [tuple(one.values()) for one in seen if one["pilot"]]
    assert of_pilot == [
        ("pilot", "n1", "fast", "hf-1"),
        ("worker", "n1", "fast-0", "hf-1"),
        ("worker", "n1", "fast-1", "hf-1"),
    ]


def test_usr1_lets_what_runs_be_finished_and_takes_nothing_more(make: Make) -> None:
    bench = make()
    bench.arrive(1, 2, 3)
    pilot = bench.pilot()
    bench.until_executing(2)
    pilot.send_signal(signal.SIGUSR1)
    bench.until("select 1 from pilot where detail ->> 'what' = 'draining'", "it says that it drains")
    bench.go_on()
    assert bench.ended(pilot) == 0
    bench.until(WORKED.format(2), "what ran is done")
    assert bench.rows("select phase from item where state = 'arrived' and scope = 'file'") == [{"phase": "submitted"}]
    assert bench.interrupts() == []


def test_term_to_all_processes_hands_back_at_once_and_blames_nobody(make: Make) -> None:
    bench = make("exec env --default-signal=TERM sleep 600")  # it dies of the signal, before its worker has noticed
    bench.arrive(1, 2)
    pilot = bench.pilot()
    bench.until_executing(2)
    for process in [*sleeping(bench), *bench.workers()]:  # as SLURM does it: to every process of the job
        os.kill(process, signal.SIGTERM)
    assert bench.ended(pilot, 30) == 0
    bench.until("select 1 from item where scope = 'file' and phase <> 'executing' having count(*) = 2", "both are back")
    said = "pilot hf-1 (job 4711 on n1) was told to end"
    assert bench.interrupts() == [("pilot-ended", said)] * 2
    assert bench.failures() == 0


def test_workers_whose_pilot_is_killed_hand_back_and_leave(make: Make) -> None:
    bench = make()
    bench.arrive(1, 2)
    pilot = bench.pilot()
    bench.until_executing(2)
    os.kill(pilot.pid, signal.SIGKILL)
    bench.until("select 1 from history where trigger = 'interrupt' having count(*) = 2", "both are handed back")
    assert {code for code, _ in bench.interrupts()} == {"pilot-ended"}
    wait_until(lambda: processes_of(pilot.pid) == [], 60, "all of it is gone")


def test_a_worker_that_is_killed_is_started_anew(make: Make) -> None:
    bench = make("true", workers="1")
    pilot = bench.pilot()
    first = bench.until("select owner from process where role = 'worker'", "the first worker")["owner"]
    os.kill(worker_of(bench), signal.SIGKILL)
    bench.until(f"select 1 from process where role = 'worker' and owner <> '{first}'", "another worker in its place")
    bench.arrive(1)
    bench.until(WORKED.format(1), "it works")
    assert pilot.poll() is None


def test_a_pilot_whose_workers_die_again_and_again_leaves_with_that_reason(make: Make) -> None:
    bench = make("true", workers="1")
    pilot = bench.pilot()
    owners: set[str] = set()
    for _ in range(3):
        bench.until(
            f"select owner from process where role = 'worker' and owner <> all('{{{','.join(owners)}}}')",
            "a new worker",
        )
        owners |= {row["owner"] for row in bench.rows("select owner from process where role = 'worker'")}
        os.kill(worker_of(bench), signal.SIGKILL)
    assert bench.ended(pilot) == 1
    last = bench.until("select detail from pilot where detail ->> 'what' = 'left'", "its last word")
    assert last["detail"]["leaves"] == "its workers died again and again: signal SIGKILL"


def test_a_step_that_does_not_fit_any_more_is_not_begun(make: Make) -> None:
    bench = make("true")
    bench.arrive(1)
    times = {"SLURM_JOB_START_TIME": epoch_in(-8000), "SLURM_JOB_END_TIME": epoch_in(2000)}
    pilot = bench.pilot("--expect", "work=3000", **times)
    assert bench.ended(pilot) == 0
    last = bench.until("select detail from pilot where detail ->> 'what' = 'left'", "its last word")
    assert last["detail"]["leaves"].startswith("each of its steps takes longer than the ")
    assert bench.rows("select count(*) as n from attempt") == [{"n": 0}]


def test_what_had_its_time_when_the_walltime_is_over_asks_for_more(make: Make) -> None:
    bench = make()
    bench.arrive(1)
    pilot = bench.pilot("--walltime", "12", "--expect", "work=1")
    bench.until_executing()
    assert bench.ended(pilot) == 0
    bench.until("select 1 from item where scope = 'file' and phase in ('ready', 'submitted')", "it is back")
    ((said, reason),) = bench.interrupts()
    assert said == "walltime"
    assert "the walltime of pilot hf-1 (job 4711 on n1) was over" in reason


def test_a_step_that_is_killed_where_memory_is_limited_asks_for_more_once(make: Make) -> None:
    bench = make("kill -9 $$")
    bench.arrive(1)
    bench.pilot(SLURM_MEM_PER_NODE="2048")
    bench.until("select 1 from item where reason_code = 'memory' and request ? 'memory'", "it asks for more")
    bench.pilot("--large", token="hf-2", SLURM_MEM_PER_NODE="4096")
    bench.until("select 1 from item where scope = 'file' and phase = 'failed'", "it has failed for good", 120)
    codes = [row["reason_code"] for row in bench.rows("select reason_code from attempt order by started_at")]
    assert codes == ["memory", "memory"]
    assert "2048 MiB for each worker" in bench.rows("select reason from item where phase = 'failed'")[0]["reason"]


def sleeping(bench: PilotBench) -> list[int]:
    """Give the ids of the programs that steps run."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            where = (folder / "cwd").readlink()
        except OSError:
            continue
        if words[0] == b"sleep" and where.is_relative_to(bench.folder):
            found.append(int(folder.name))
    return found


def worker_of(bench: PilotBench) -> int:
    """Give the process id of the pilot's one worker: the newest process of its session."""
    bench.until("select 1 from process where role = 'worker'", "a worker")
    return max(bench.workers())
