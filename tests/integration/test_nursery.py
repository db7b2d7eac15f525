"""Steps' processes that are forked from one that has imported what they need."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from headframe.consumers.steps.api import Job, Resources, Site
from headframe.consumers.worker import gauge
from headframe.consumers.worker.child import Answer, Request
from headframe.consumers.worker.executor import Executor
from headframe.consumers.worker.forked import ForkedChild
from headframe.daemon.pilot.nursing import nursery_of

from .servers import wait_until

Ask = Callable[[str], Request]


@pytest.fixture
def nursery() -> Iterator[str]:
    with nursery_of(["headframe.consumers.steps.command", "json.tool"]) as path:
        assert path
        yield path


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """Makes the request of a program in shell."""

    def make(script: str) -> Request:
        job = Job(
            item=1, epoch=1, step="work", scope="file", campaign="c", run=1, kind="science", name="a", sequence=1,
            inputs=(), folder=str(tmp_path), site="work", folder_path="", resources=Resources(),
            sites={"work": Site(name="work", root=str(tmp_path))},
            private={"command": {"argv": ["sh", "-c", script]}, "makes": "nothing"},
        )  # fmt: skip
        return Request(use="command", job=job, log=str(tmp_path / "log"))

    return make


def answer(executor: Executor, request: Request) -> Answer:
    executor.begin(request)
    said = executor.wait(60)
    assert said is not None
    return said


def test_a_step_is_done_by_a_process_that_was_forked(nursery: str, ask: Ask) -> None:
    executor = Executor(nursery=nursery)
    assert answer(executor, ask("true")).kind == "succeed"
    assert isinstance(executor._child, ForkedChild)
    modules = (Path("/proc") / str(executor._child.pid) / "cmdline").read_bytes()
    assert b"nursery" in modules
    failed = answer(executor, ask("exit 3"))
    assert (failed.kind, failed.code) == ("fail", "exit-3")
    executor.kill()


def test_each_process_has_a_group_of_its_own_and_is_nicer_if_asked(nursery: str) -> None:
    one, other = ForkedChild(nursery), ForkedChild(nursery, 7)
    assert os.getsid(one.pid) == one.pid
    assert os.getsid(other.pid) == other.pid
    wait_until(lambda: os.getpriority(os.PRIO_PROCESS, other.pid) == os.getpriority(os.PRIO_PROCESS, 0) + 7, 30, "nice")
    for each in (one, other):
        each.stdin.close()
        assert each.wait() == -signal.SIGKILL  # its worker is gone: it ends itself, and all that it started


def test_a_process_that_dies_is_told_as_any_other(nursery: str, ask: Ask) -> None:
    executor = Executor(nursery=nursery)
    died = answer(executor, ask("kill -9 $PPID; sleep 60"))
    assert (died.kind, died.code) == ("fail", "step-died")
    assert "SIGKILL" in died.reason
    assert answer(executor, ask("true")).kind == "succeed"
    executor.kill()


def test_killing_leaves_no_answer_and_no_process(nursery: str, ask: Ask) -> None:
    executor = Executor(nursery=nursery)
    executor.begin(ask("sleep 600"))
    assert executor.wait(0.5) is None
    assert executor._child is not None
    group = executor._child.pid
    executor.kill()
    wait_until(lambda: not lives(group), 30, "the group is gone")
    assert answer(executor, ask("true")).kind == "succeed"
    executor.kill()


def test_signals_to_all_of_a_job_do_not_end_the_nursery(nursery: str, ask: Ask) -> None:
    executor = Executor(nursery=nursery)
    assert answer(executor, ask("true")).kind == "succeed"
    assert executor._child is not None
    parent = int((Path("/proc") / str(executor._child.pid) / "stat").read_text().rpartition(")")[2].split()[1])
    for name in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT):
        os.kill(parent, name)
    executor.kill()
    assert answer(executor, ask("true")).kind == "succeed"
    executor.kill()


def test_without_its_nursery_a_worker_starts_its_steps_itself(ask: Ask) -> None:
    with nursery_of([]) as path:
        pass
    executor = Executor(nursery=path)
    assert answer(executor, ask("true")).kind == "succeed"
    assert not isinstance(executor._child, ForkedChild)
    executor.kill()


def test_many_that_ask_at_once_while_it_still_imports_are_all_served() -> None:
    began = time.monotonic()
    with nursery_of(["headframe.consumers.tpc.reconstruction"]) as path:
        children = [ForkedChild(path) for _ in range(50)]
        assert time.monotonic() - began < 2  # nobody waits for the imports
        assert len({child.pid for child in children}) == 50
        for child in children:
            child.stdin.close()
        assert {child.wait() for child in children} == {-signal.SIGKILL}


def lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


BUSY = """python3 -c '
import time
held = bytearray(80_000_000)
while time.process_time() < 0.5:
    pass
time.sleep(600)'
"""


@pytest.mark.parametrize("forked", [True, False])
def test_what_a_step_and_its_program_used_until_they_were_killed_is_known(nursery: str, ask: Ask, forked: bool) -> None:
    executor = Executor(nursery=nursery if forked else "")
    answer(executor, ask("true"))
    executor.begin(ask(BUSY))
    child = executor._child
    assert child is not None
    wait_until(lambda: gauge.of_session(child.pid)[0] > 0.3 + executor._cpu, 60, "it has used some time")
    used = executor.kill()
    assert used.wall_s > 0.3
    assert 0.25 < used.cpu_s < 60
    assert used.memory_peak > 80_000_000


def test_what_a_process_used_that_was_killed_for_memory_is_known(nursery: str, ask: Ask) -> None:
    executor = Executor(nursery=nursery, memory=2**30)
    answer(executor, ask("true"))
    died = answer(executor, ask("kill -9 $PPID"))
    assert (died.kind, died.code) == ("interrupt", "memory")
    assert died.usage.memory_peak > 2**20
    assert died.usage.wall_s > 0
    executor.kill()
