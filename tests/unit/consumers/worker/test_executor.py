"""The child process as its reader sees it: however it ends, an answer comes."""

import os
import subprocess
from queue import SimpleQueue

import pytest

from headframe.consumers.steps.api import InfrastructureError
from headframe.consumers.worker import executor as executor_module
from headframe.consumers.worker.child import Answer
from headframe.consumers.worker.executor import Executor, _read


def read(script: str) -> list[Answer]:
    """Read what a program answers until it has ended."""
    child = subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, start_new_session=True)
    answers: SimpleQueue[Answer] = SimpleQueue()
    _read(child, answers, Executor()._judged)
    return [answers.get() for _ in range(answers.qsize())]


@pytest.mark.parametrize(
    ("script", "cause"),
    [
        ("""printf '{"kind":"succ'; kill -9 $$""", "SIGKILL"),
        ("""printf '{"kind":"succeed"}\\n{"ki'; exit 3""", "exit code 3"),
        ("""echo rubbish; sleep 600""", "SIGKILL"),
        ("""printf '{"kind":"\\377'; exit 3""", "exit code 3"),
    ],
)
def test_a_process_that_dies_in_mid_answer_is_still_answered_for(script: str, cause: str) -> None:
    ended = read(script)[-1]
    assert (ended.kind, ended.code) == ("fail", "step-died")
    assert cause in ended.reason


def test_a_host_without_room_for_a_process_is_at_fault_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(executor_module.subprocess, "Popen", full)
    executor = Executor()
    executor.warm()
    with pytest.raises(InfrastructureError) as caught:
        executor._alive()
    assert caught.value.code == "no-process"


def test_a_nice_executor_stands_back_behind_its_worker() -> None:
    executor = Executor(nice=3)
    executor.warm()
    child = executor._alive().pid
    assert os.getpriority(os.PRIO_PROCESS, child) == min(19, os.getpriority(os.PRIO_PROCESS, 0) + 3)
    executor.kill()
