"""Nodes on which attempts keep dying are set aside by themselves; good ones are not, whatever comes their way."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from headframe.consumers.messages import Report
from headframe.daemon.conductor.applying import see
from headframe.daemon.sweeper.nodes import Nodes
from headframe.statemachine.pipeline import RunType, Step, build
from headframe.statemachine.queries import query
from headframe.statemachine.records import Reporter
from headframe.statemachine.store import pauses
from headframe.statemachine.store.breaker import BURST_S, LOOKED_AT, PLACE, Breaker
from headframe.statemachine.store.pauses import Told
from headframe.statemachine.views import service_needs, status

from .small_machine import SmallMachine

FILES = 12
NODES = ("n1", "n2", "n3", "n4")


class Farm:
    """Nodes with workers, and attempts that ended on them, the oldest first, 20 s apart."""

    def __init__(self, machine: SmallMachine) -> None:
        self.machine, self.epoch, self.ago = machine, 100, 3000.0
        machine.arrive(1, *range(1, FILES + 1))
        self.items = [machine.item(1, sequence).id for sequence in range(1, FILES + 1)]
        for host in NODES:
            machine.sql(
                "insert into process (owner, role, host, detail) values (:host, 'worker', :host, '{}')", host=host
            )

    def ended(
        self, host: str, item: int, outcome: str, code: str = "", *, step: str = "look", later: float = 20
    ) -> None:
        """Let an attempt end on a node, so many seconds after the one before."""
        self.epoch, self.ago = self.epoch + 1, self.ago - later
        self.machine.sql(
            "insert into attempt (item_id, epoch, step, owner, host, ended_at, outcome, reason_code, reason) values "
            "(:item, :epoch, 'look', :owner, :host, now() - make_interval(secs => :ago), :outcome, :code, :reason)",
            item=self.items[item], epoch=self.epoch, owner=f"w{self.epoch}", host=host, ago=self.ago,
            outcome=outcome, code=code, reason=f"what {code} says" if code else "",
        )  # fmt: skip

    def dies(self, host: str, *items: int, code: str = "worker-died", later: float = 20) -> None:
        for item in items:
            self.ended(host, item, "interrupted", code, later=later)

    def fails(self, host: str, *items: int) -> None:
        for item in items:
            self.ended(host, item, "failed", "exit-1")

    def does(self, host: str, *items: int, later: float = 20) -> None:
        for item in items:
            self.ended(host, item, "succeeded", later=later)

    def pilot(self, node: str, code: str, lived_s: float = 2, *, heard: bool = False, name: str = "reco") -> None:
        """Let a pilot end on a node, a second after the one before."""
        self.epoch, self.ago = self.epoch + 1, self.ago - 1
        self.machine.sql(
            "insert into pilot (token, launcher, name, steps, status, code, node, started_at, ended_at, heard_at, "
            "reason) values (:token, 'here', :name, 'look', 'ended', :code, :node, "
            "now() - make_interval(secs => :began), now() - make_interval(secs => :ago), "
            "case when :heard then now() end, 'exit code 7')",
            token=f"hf-{self.epoch}", name=name, code=code, node=node, began=self.ago + lived_s, ago=self.ago,
            heard=heard,
        )  # fmt: skip

    def runs(self, node: str, since_s: float) -> None:
        """Let a pilot run on a node that was heard of."""
        self.epoch += 1
        self.machine.sql(
            "insert into pilot (token, launcher, name, steps, status, node, started_at, heard_at) values "
            "(:token, 'here', 'reco', 'look', 'running', :node, now() - make_interval(secs => :since), now())",
            token=f"hf-{self.epoch}", node=node, since=since_s,
        )  # fmt: skip

    def look(self, failures: int = 3, share: float = 0.25) -> dict[str, str]:
        """Let the sweeper look; give what is set aside."""
        Nodes(self.machine.engine, Breaker(failures=failures, share=share)).look()
        with self.machine.engine.connect() as connection:
            return pauses.set_aside(connection)


@pytest.fixture
def farm(database_url: str, tmp_path: Path) -> Iterator[Farm]:
    steps = [Step(name="look", to="seen", makes="nothing")]
    machine = SmallMachine(database_url, tmp_path, build("default", steps, {"science": RunType()}))
    yield Farm(machine)
    machine.engine.dispose()


def test_a_node_on_which_workers_keep_dying_is_set_aside_with_counts_codes_and_the_last_reason(farm: Farm) -> None:
    farm.does("n1", 0)
    farm.dies("n1", 1, 2)
    farm.does("n2", 1, 2, 3)
    farm.does("n3", 4)
    assert farm.look() == {}
    farm.dies("n1", 3, code="lost-lease")
    assert farm.look() == {
        "n1": "3 attempts at 3 items ended badly in a row (lost-lease 1, worker-died 2), while 4 at the same steps "
        "went well on 2 other nodes; the last: what lost-lease says"
    }
    with farm.machine.engine.connect() as connection:
        (need,) = [each for each in service_needs(connection) if each.code == "node-set-aside"]
        assert need in status(connection).problems
    assert (need.name, need.command) == ("n1", "headframe resume --node n1")
    said = farm.machine.sql_value("select actor || ' ' || action || ' ' || (selection ->> 'name') from operation")
    assert said == "sweeper pause n1"


def test_the_workers_of_a_node_that_was_set_aside_are_told_to_leave_all_work_alone(farm: Farm) -> None:
    farm.dies("n1", 1, 2)
    farm.does("n2", 1, 2, 3)
    farm.dies("n1", 3)
    farm.look()
    reports = [Report(reporter=Reporter(owner=f"w-{host}", host=host), lane="live") for host in ("n1", "n2")]
    with farm.machine.engine.begin() as connection:
        assert see(connection, reports) == [Told(owner="w-n1", halted=("worker",))]


def test_after_its_release_a_node_is_counted_anew(farm: Farm) -> None:
    farm.dies("n1", 1, 2)
    farm.does("n2", 1, 2, 3)
    farm.dies("n1", 3)
    assert "n1" in farm.look()
    with farm.machine.engine.begin() as connection:
        pauses.resume(connection, "node", "n1", "anna", "new memory")
    assert farm.look() == {}
    farm.machine.sql("update operation set at = now() - interval '1 hour' where action = 'resume'")
    assert "n1" in farm.look(), "what came after the release counts"


def test_one_item_that_kills_its_workers_sets_no_node_aside(farm: Farm) -> None:
    farm.dies("n1", 0, 0, 0)
    farm.does("n2", *range(1, 8))
    farm.dies("n1", 0, 0, 0)
    assert farm.look() == {}


def test_items_that_die_on_every_node_speak_of_no_node(farm: Farm) -> None:
    for node in NODES:
        farm.dies(node, 0, 1, 0, 1)
    farm.does("n4", *range(2, 12), *range(2, 12))
    farm.dies("n1", 0, 1)
    assert farm.look() == {}


def test_what_is_down_for_all_sets_no_node_aside(farm: Farm) -> None:
    for node in NODES:
        farm.does(node, *range(8))
    for n in (0, 1, 2, 0, 1, 2):
        for place, node in enumerate(NODES):
            farm.dies(node, n + 3 * place, code="site-away")
    assert farm.look() == {}
    farm.does("n2", *range(12), *range(12), later=2)
    assert farm.look() == {}, "nor when it is back and some have not had a turn yet"


def test_a_success_between_begins_the_count_anew(farm: Farm) -> None:
    farm.dies("n1", 1, 2)
    farm.does("n1", 4)
    farm.dies("n1", 3, 5)
    farm.does("n2", *range(6))
    farm.does("n1", 6)
    farm.dies("n1", 7)
    assert farm.look() == {}


def test_all_workers_of_a_node_that_die_at_once_count_once(farm: Farm) -> None:
    farm.dies("n1", *range(4), later=1)
    farm.does("n2", *range(8), later=0)
    farm.dies("n1", *range(4, 8), later=1)
    assert farm.look() == {}


def test_a_node_on_which_everything_fails_is_set_aside_once_it_went_well_elsewhere(farm: Farm) -> None:
    farm.fails("n1", 1, 2, 3)
    farm.does("n2", 4, 5, 6, 7)
    assert farm.look() == {}, "the files may be bad"
    farm.does("n3", 1, 2, 3)
    farm.fails("n1", 8)
    assert farm.look() == {}, "of the last one nothing is known yet"
    farm.does("n3", 8)
    assert "exit-1 4" in farm.look()["n1"]


def test_preemption_drains_and_what_an_item_ran_out_of_speak_of_no_node(farm: Farm) -> None:
    for code in ("preempted", "drain", "given-back", "pilot-ended", "walltime", "memory"):
        farm.dies("n1", 1, 2, code=code)
        farm.does("n2", *range(8), later=1)
        farm.dies("n1", 3, 4, code=code)
    assert farm.look() == {}


def test_a_single_node_is_never_set_aside(farm: Farm) -> None:
    farm.does("n1", 0)
    farm.dies("n1", *range(1, 10))
    assert farm.look() == {}


def test_no_more_than_their_share_of_the_nodes_is_set_aside(farm: Farm) -> None:
    farm.dies("n1", 1, 2, 3)
    farm.dies("n2", 5, 6)
    farm.does("n3", *range(12), later=10)
    farm.dies("n1", 4)
    farm.dies("n2", 7)
    assert set(farm.look(share=0.25)) == {"n1"}
    assert set(farm.look(share=0.25)) == {"n1"}
    assert set(farm.look(share=0.5)) == {"n1", "n2"}


def test_no_failures_asked_for_sets_nothing_aside_and_what_is_long_ago_counts_no_more(farm: Farm) -> None:
    farm.dies("n1", 1, 2)
    farm.does("n2", 1, 2, 3)
    farm.dies("n1", 3)
    assert farm.look(failures=0) == {}
    farm.machine.sql("update attempt set ended_at = ended_at - interval '2 hours'")
    assert farm.look() == {}


def test_a_node_on_which_pilots_die_as_they_start_is_set_aside_while_others_do_well(farm: Farm) -> None:
    farm.runs("n2", 3010)
    for _ in range(2):
        farm.pilot("n1", "failed")
    assert farm.look() == {}
    farm.pilot("n1", "failed")
    said = "3 pilots of reco died in a row as they started or soon after (failed 3), while 1 did well on 1 other node"
    assert farm.look() == {"n1": f"{said}; the last: exit code 7"}
    with farm.machine.engine.begin() as connection:
        pauses.resume(connection, "node", "n1", "anna", "mounted again")
    assert farm.look() == {}, "after its release it is counted anew"


def test_pilots_that_die_on_other_nodes_as_well_speak_of_no_node(farm: Farm) -> None:
    farm.runs("n3", 3010)
    for _ in range(4):
        farm.pilot("n1", "failed")
        farm.pilot("n2", "failed")
    assert farm.look() == {}


def test_pilots_elsewhere_that_began_long_before_say_nothing(farm: Farm) -> None:
    for node in ("n2", "n3"):
        farm.runs(node, 3500)
    for _ in range(4):
        farm.pilot("n1", "failed")
    assert farm.look() == {}, "what they are asked to do may have changed since"


def test_pilots_that_lived_or_ended_by_somebodys_will_or_died_together_speak_of_no_node(farm: Farm) -> None:
    farm.runs("n2", 3010)
    for code in ("cancelled", "preempted", "withdrawn", "done", "memory"):
        for _ in range(4):
            farm.pilot("n1", code)
    for _ in range(4):
        farm.pilot("n3", "failed", lived_s=70, heard=True)
    farm.ago = 2005
    for _ in range(4):
        farm.pilot("n4", "node-failed")
    assert farm.look() == {}


def test_a_pilot_that_did_well_between_begins_the_count_anew(farm: Farm) -> None:
    farm.runs("n2", 3010)
    farm.pilot("n1", "failed")
    farm.pilot("n1", "failed")
    farm.pilot("n1", "done", heard=True)
    farm.pilot("n1", "failed")
    farm.pilot("n1", "failed")
    assert farm.look() == {}
    assert farm.look(failures=2) != {}


def test_pilots_set_no_more_than_the_share_of_nodes_aside(farm: Farm) -> None:
    for node in ("n3", "n4", "n5"):
        farm.runs(node, 3010)
    for node in ("n1", "n2"):
        for _ in range(4):
            farm.pilot(node, "failed")
    assert len(farm.look()) == 1
    assert len(farm.look(share=0.5)) == 2


def test_it_costs_a_few_probes_of_an_index_however_much_was_done(farm: Farm) -> None:
    farm.machine.sql(
        "insert into attempt (item_id, epoch, step, owner, host, ended_at, outcome) "
        "select i.id, 1000 + n, 'look', 'w', 'n' || 1 + (n + i.id) % 200, now() - make_interval(secs => 3500.0 - n), "
        "'succeeded' from item i, generate_series(1, 3000) n"
    )
    farm.machine.sql(
        "insert into process (owner, role, host) select 'more' || n, 'worker', 'n' || n from generate_series(5, 200) n"
    )
    farm.ago = 300
    farm.dies("n1", 1, 2, 3)
    farm.machine.sql("analyze")
    rows = '[{"host": "n1", "since": "2000-01-01T00:00:00Z"}]'
    values = {"rows": rows, "place": list(PLACE), "failures": 3, "look": LOOKED_AT, "burst_s": BURST_S}
    with farm.machine.engine.connect() as connection:
        connection.execute(text("set local jit = off"))
        for name, given in (("suspect_nodes", {"window_s": 3600.0}), ("failing_nodes", values)):
            explained = text(f"explain (analyze) {query(name).text}")
            told = "\n".join(connection.execute(explained, given).scalars())
            assert "Seq Scan on attempt" not in told, told
            assert "attempt_host" in told, told


def test_a_good_node_is_never_set_aside_because_of_a_bad_item(farm: Farm) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    draw = random.Random(seed)
    bad = draw.randrange(FILES)
    for _ in range(200):
        node, item = draw.choice(NODES), draw.choice((bad, draw.randrange(FILES)))
        if item == bad:
            farm.ended(node, item, *draw.choice((("failed", "step-died"), ("interrupted", "worker-died"))), later=7)
        else:
            farm.does(node, item, later=7)
        if draw.random() < 0.1:
            assert farm.look(failures=2) == {}
    assert farm.look(failures=2) == {}
