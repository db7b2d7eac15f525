"""A Prometheus scrapes a working instance: every rule evaluates; alerts are caused, arrive, and clear once mended."""

from collections.abc import Callable

from msgspec.structs import replace

from headframe.daemon.monitoring.dashboards import dashboards
from headframe.daemon.monitoring.scraping import Target
from headframe.daemon.space import Space
from headframe.daemon.up import Up
from headframe.statemachine.alerting import ALERTS, Limits

from ..integration.servers import free_ports
from ..integration.tree import Tree
from .promtool import asked, families
from .steps import COMMAND, Work
from .watching import Watch

PIPELINE = """
[[pipeline.default.step]]
name = "work"
to = "worked"
use = "command:work"
makes = "nothing"
retries = 0
"""
FAR = '[site.far]\npath = "far"'
LIMITS = Limits(failures_least=2)
NOT_YET = {"headframe_last_backup_seconds"}
"""What is absent until it has happened once; `make monitoring` has one made."""


def look(tree: Tree, up: Up) -> None:
    """Have a host look at the far site now, which it does each minute."""
    Space(up.engine, {}).look("far", str(tree.folder / "far"))


def break_things(tree: Tree, up: Up, work: Work) -> None:
    """A bad name, two files that fail, a site that is not there."""
    tree.write("no such run.raw")
    work.order("fail")
    tree.write("run1_science_1")
    tree.write("run1_science_2")
    look(tree, up)  # only a host that has seen a site can miss it
    (tree.folder / "far").rename(tree.folder / "gone")
    look(tree, up)


def mend(tree: Tree, up: Up, work: Work) -> None:
    """Take the bad name away; let twelve more files do well, for the alert is about the last hour; the site is back."""
    (tree.inbox / "no such run.raw").unlink()
    work.relent("fail")
    for sequence in range(12):
        tree.write(f"run2_science_{sequence}")
    (tree.folder / "gone").rename(tree.folder / "far")
    look(tree, up)


def knows_what_dashboards_ask(watch: Watch) -> None:
    """Each family that a dashboard or a rule reads is one that was scraped, or one that rules record."""
    known = watch.families()
    wanted = {family for _, made in dashboards("headframe") for each in asked(made) for family in families(each)}
    wanted |= {family for rule in watch.evaluated() for family in families(rule["query"])}
    unknown = wanted - known - NOT_YET - {"up"}  # which is Prometheus' own word
    assert not unknown, sorted(unknown)


def test_alerts_arrive_at_a_receiver_and_clear(tree: Callable[..., Tree], watch: Watch) -> None:
    port, of_tree = free_ports(2)
    made = tree(pipeline=PIPELINE, place_at="work", sites=FAR, more=COMMAND)
    monitor = replace(made.config.monitor, port=of_tree)
    made.config = replace(made.config, web=replace(made.config.web, port=port), monitor=monitor)
    work = Work(made.folder)
    with made.up() as up:
        watch.begin(LIMITS, f"127.0.0.1:{port}", [Target("up", f"127.0.0.1:{of_tree}")])
        watch.scraped()
        break_things(made, up, work)
        watch.fires("dead-letters", "failures", "site-down")
        watch.barks()
        rules = watch.evaluated()
        assert [rule["name"] for rule in rules if rule["health"] != "ok"] == []
        assert sum(rule["type"] == "alerting" for rule in rules) == len(ALERTS) + 1, "and the watchdog"
        knows_what_dashboards_ask(watch)
        mend(made, up, work)
        watch.clears("dead-letters", "failures", "site-down")
    watch.fires("web-away")
    with made.up():
        watch.clears("web-away")
