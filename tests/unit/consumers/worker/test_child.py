"""What becomes of a step's errors: whose fault each is, and words that a report can carry."""

import errno
import os
import resource
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from headframe.consumers.steps.api import InfrastructureError, Job, PayloadError, Resources, Result
from headframe.consumers.worker import child
from headframe.consumers.worker.child import Answer, Request

Run = Callable[..., Answer]


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch, job: Callable[..., Job], tmp_path: Path) -> Run:
    """Runs a step that raises an error, or returns what it is given: `answer(error_or_result, **changes)`."""

    def run(said: object, **changes: object) -> Answer:
        def step(_: Job) -> object:
            if isinstance(said, BaseException):
                raise said
            return said

        monkeypatch.setattr(child, "load_step", lambda _: step)
        return child.attempt(Request(use="count", job=job(**changes), log=str(tmp_path / "log")))

    return run


def test_what_an_entry_point_returns_is_looked_at_before_it_is_reported(answer: Run) -> None:
    ended = answer(Result(catalog={"title": "a\0"}))
    assert (ended.kind, ended.code, ended.permanent) == ("fail", "bad-result", True)
    assert ended.reason == "what step count of a.h5 returned cannot be stored: catalog.title has a NUL character"
    assert answer("nothing of the kind").code == "bad-result"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.ENOTCONN, errno.EHOSTDOWN, errno.ENODEV, errno.ENFILE])
def test_an_error_of_the_place_is_nobodys_fault_however_the_step_raises_it(answer: Run, number: int) -> None:
    ended = answer(OSError(number, os.strerror(number)))
    assert ended.kind == "interrupt"
    assert os.strerror(number) in ended.reason


def test_a_host_without_memory_is_told_from_a_step_that_met_its_own_limit(answer: Run) -> None:
    short = OSError(errno.ENOMEM, "Cannot allocate memory")
    assert answer(short).code == "no-memory"
    assert answer(short, resources=Resources(memory=2**40)).code == "memory"
    assert answer(InfrastructureError("no-memory", "x"), resources=Resources(memory=2**40)).code == "memory"


@pytest.mark.parametrize("error", [PayloadError("exit-1", "no such file"), ValueError("x"), FileNotFoundError("y")])
def test_a_step_whose_input_is_not_mounted_is_not_charged(answer: Run, tmp_path: Path, error: Exception) -> None:
    assert answer(error).kind == "fail"
    shutil.rmtree(tmp_path / "daq" / "in")
    ended = answer(error)
    assert (ended.kind, ended.code) == ("interrupt", "site-away")
    assert "site daq is not there" in ended.reason
    assert str(error) in ended.reason
    (tmp_path / "daq").rmdir()
    assert answer(error).code == "site-away"


def test_a_worker_that_may_not_have_so_much_memory_says_both_numbers_and_charges_nobody(
    answer: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (2**40, 2**40))
    ended = answer(Result(), resources=Resources(memory=2**41))
    assert (ended.kind, ended.code) == ("interrupt", "too-little-memory")
    assert str(2**41) in ended.reason
    assert str(2**40) in ended.reason


def test_a_limit_of_memory_ends_with_its_step(answer: Run) -> None:
    before = resource.getrlimit(resource.RLIMIT_AS)
    assert answer(Result(), resources=Resources(memory=2**40)).kind == "succeed"
    assert resource.getrlimit(resource.RLIMIT_AS)[0] in (before[0], before[1])


def test_a_reason_leaves_the_process_as_one_line(
    monkeypatch: pytest.MonkeyPatch, job: Callable[..., Job], tmp_path: Path
) -> None:
    monkeypatch.setattr(child, "attempt", lambda _: Answer(kind="fail", code="x\0" * 99, reason="caf\udce9\n\0!"))
    monkeypatch.setattr(child, "_Output", lambda *_: open(os.devnull))  # noqa: SIM115, PTH123
    ended = child.measured(Request(use="count", job=job(), log=str(tmp_path / "log"), quiet=True))
    assert ended.reason == "caf\\udce9 !"
    assert "\0" not in ended.code
    assert len(ended.code) == 100


def test_the_memory_of_a_program_is_that_of_its_own_attempt(
    monkeypatch: pytest.MonkeyPatch, job: Callable[..., Job], tmp_path: Path
) -> None:
    monkeypatch.setattr(child, "_Output", lambda *_: open(os.devnull))  # noqa: SIM115, PTH123

    def used(megabytes: int) -> int:
        script = f"import os; held = b'x' * ({megabytes} << 20)"
        command = {"argv": ["{python}", "-c", script], "exit_codes": {}, "environment": {}}
        told = job(private={"command": command, "makes": "nothing"})
        ended = child.measured(Request(use="command", job=told, log=str(tmp_path / "log"), quiet=True))
        assert ended.kind == "succeed", ended.reason
        return ended.usage.memory_peak >> 20

    here = child._peak() >> 20
    assert used(here + 200) >= here + 200
    assert used(1) < here + 200


@pytest.mark.parametrize(
    ("number", "code"), [(errno.ENOSPC, "no-space"), (errno.EDQUOT, "no-quota"), (1000, "io-error")]
)
def test_a_full_disk_under_the_attempts_log_is_named_as_one(
    monkeypatch: pytest.MonkeyPatch, job: Callable[..., Job], tmp_path: Path, number: int, code: str
) -> None:
    def full(_: Request) -> Answer:
        raise OSError(number, "the log")

    monkeypatch.setattr(child, "measured", full)
    ended = child._safely(Request(use="count", job=job(), log=str(tmp_path / "log")))
    assert (ended.kind, ended.code) == ("interrupt", code)
