"""A run whose files fell back: what was made of the whole run does not outlive that, whoever dies in between."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from headframe.consumers.broker import Names
from headframe.daemon.sweeper.sweeper import Sweeper, SweeperSettings
from headframe.statemachine.lifecycle import Trigger
from headframe.statemachine.records import ArrivedFile, RunInfo
from headframe.statemachine.store import runs, sweep
from headframe.statemachine.store.arrivals import register
from headframe.statemachine.store.gather import gather
from headframe.statemachine.store.operating import inline as operators
from headframe.statemachine.verify import verify

from .small_machine import SmallMachine, pipeline
from .two_conductors import LossyBroker

FILE = "run1_0001.h5"


class DiedError(Exception):
    """Somebody was killed between two commits."""


@pytest.fixture
def machine(database_url: str, tmp_path: Path) -> Iterator[SmallMachine]:
    """Give a machine with run 1 done: two files, and a summary of the whole run. Failed files may be left out."""
    made = SmallMachine(database_url, tmp_path, pipeline(accepts_failed=True))
    made.arrive(1, 1, 2)
    made.inform(1, expected=2, closed=True)
    made.through(1, 1, 2)
    made.do(1, None)
    assert place(made) == ("summarized", "done")
    yield made
    made.engine.dispose()


def place(machine: SmallMachine, run: int = 1, sequence: int | None = None) -> tuple[str, str]:
    found = machine.item(run, sequence)
    return found.state, found.phase


def summaries(machine: SmallMachine) -> int:
    return one(machine, "select count(*) from product where step = 'summary' and superseded_at is null")


def rewound(machine: SmallMachine) -> int:
    return one(machine, "select count(*) from run where rewound_at is not null")


def one(machine: SmallMachine, statement: str) -> int:
    with machine.engine.connect() as conn:
        return int(conn.execute(text(statement)).scalar_one())


def sweep_once(machine: SmallMachine) -> None:
    broker = LossyBroker()
    Sweeper(machine.engine, broker, Names("headframe"), SweeperSettings()).recheck_runs()  # type: ignore[arg-type]


def whole(machine: SmallMachine) -> bool:
    with machine.engine.connect() as conn:
        return list(verify(conn)) == []


def reset_and_die(machine: SmallMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: Any) -> None:
        raise DiedError

    with monkeypatch.context() as patch:
        patch.setattr(operators, "gather", die)
        with pytest.raises(DiedError):
            machine.act(Trigger.RESET, state="placed", files=(FILE,))


def a_late_file_and_die(machine: SmallMachine, _: pytest.MonkeyPatch) -> None:
    late = ArrivedFile(site="source", path="inbox/x", name="x", run=1, sequence=3, size=1, mtime_ns=1, kind="science")
    with machine.engine.begin() as conn:
        register(conn, [late], machine.book)


def a_larger_number_and_die(machine: SmallMachine, _: pytest.MonkeyPatch) -> None:
    with machine.engine.begin() as conn:
        runs.inform(conn, RunInfo(run=1, source="rundb", kind="science", expected=3, closed=True), machine.book)


@pytest.mark.parametrize(
    ("change_and_die", "state"),
    [(reset_and_die, "placed"), (a_late_file_and_die, "arrived"), (a_larger_number_and_die, "arrived")],
)
def test_a_run_result_older_than_the_files_falls_at_the_next_sweep_whoever_died(
    machine: SmallMachine, monkeypatch: pytest.MonkeyPatch, change_and_die: Callable[..., None], state: str
) -> None:
    change_and_die(machine, monkeypatch)
    assert summaries(machine) == 1
    sweep_once(machine)
    assert place(machine) == (state, "waiting")
    assert summaries(machine) == 0
    assert rewound(machine) == 0
    assert whole(machine)


def test_a_run_in_two_campaigns_falls_back_in_both(machine: SmallMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.sql(
        "insert into campaign (name, pipeline_id, kind, lane) select 'again', pipeline_id, 'bulk', 'bulk' from campaign"
    )
    machine.sql(
        "insert into item (campaign_id, pipeline_id, run_id, file_id, scope, kind, state, phase, lane, trigger) "
        "select c.id, c.pipeline_id, i.run_id, i.file_id, i.scope, i.kind, i.state, i.phase, c.lane, 'arrive' "
        "from item i, campaign c where c.name = 'again' order by i.id"
    )
    reset_and_die(machine, monkeypatch)
    first = (one(machine, "select id from run"), one(machine, "select min(id) from campaign"))
    with machine.engine.begin() as conn:
        gather(conn, {first})
    assert one(machine, "select count(*) from item where scope = 'run' and phase = 'waiting'") == 2
    assert rewound(machine) == 0


def test_nothing_marks_a_run_that_is_open_and_gathering_takes_every_mark_away(machine: SmallMachine) -> None:
    machine.arrive(2, 1)
    with machine.engine.begin() as conn:
        assert sweep.unfinished_runs(conn, 0, 10) == []
    machine.act(Trigger.RESET, state="placed", runs=(1,), scope="file")
    machine.arrive(1, 3)
    machine.inform(1, expected=3, closed=True)
    assert rewound(machine) == 0
