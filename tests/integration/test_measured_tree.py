"""A whole tree measures what goes through it, by itself."""

from collections.abc import Callable

from headframe import __version__
from headframe.statemachine.views import forecast_run, latency, processes, usage_of_run
from headframe.statemachine.views.sums import sums
from headframe.web.app import create_app
from headframe.web.settings import Settings

from . import recount_sums
from .metric_text import families, one, series
from .recount import kept, recounted
from .tree import Tree


def test_a_files_way_through_a_running_tree_is_measured(tree: Callable[..., Tree]) -> None:
    mine = tree()
    with mine.up():
        mine.write("run000001_science_0001.raw")
        mine.write("run000001_science_0002.raw")
        mine.until(lambda: measured(mine) == 2, "both files have a latency")
        with mine.engine.connect() as conn:
            found = latency(conn)
            forecast = forecast_run(conn, 1)
            workers = processes(conn, role="worker")
        client = create_app(mine.engine, Settings(instance=mine.config.instance)).test_client()
        mine.until(
            lambda: series(families(client)).get(("headframe_broker_up", ())) == 1,
            "a conductor has looked at the broker",
        )
        mine.until(
            lambda: ("headframe_site_bytes", (("site", "work"), ("what", "free"))) in series(families(client)),
            "the site's room is measured",
        )
        told = series(families(client))
    assert [step.step for step in found.steps] == ["catalog", "place"]
    assert found.today.p99 is not None
    assert {worker.version for worker in workers} == {__version__}
    assert forecast is not None
    assert forecast.sentence == "nothing is left to do"
    assert one(told, "file_seconds_count", state="cataloged") == one(told, "files_arrived_total", kind="science") == 2
    assert one(told, "transitions_total", trigger="succeed") >= 4
    assert one(told, "site_bytes", site="work", what="free") > 0
    with mine.engine.connect() as conn:
        assert kept(conn) == recounted(conn)
        assert recount_sums.told(sums(conn)) == recount_sums.recounted(conn)
        used = usage_of_run(conn, 1)
        assert used is not None
    for step in used.steps:
        assert 0 < step.cpu_s < 60 * step.metered_s
        assert step.metered_s == step.wall_s
        assert step.queue_s is not None and 0 <= step.queue_s < 600
        assert step.memory_peak is not None and step.memory_peak > 1_000_000


def measured(mine: Tree) -> int:
    with mine.engine.connect() as conn:
        return latency(conn).today.n
