"""Each alert is caused in a real instance on real servers, arrives at a receiver through Alertmanager, and clears.

make monitoring; minutes, for a process counts as silent only after one.
"""

import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from headframe.statemachine.alerting import ALERTS, BY_CODE
from headframe.statemachine.piloting import PilotSeen

from ..faults.conftest import Make
from ..integration.small_disk import may_mount, small_disk
from .conftest import watching
from .scene import LIMITS, Scene, steps, web_port

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def scene(centres: Make) -> Iterator[Scene]:
    """An instance at work, and who watches it."""
    port = web_port()
    with centres(steps=steps(), web_port=port) as centre, watching(centre.instance) as watch:
        made = Scene(centre, watch, port)
        made.begin()
        yield made
        made.engine.dispose()


def test_a_database_that_was_never_backed_up(scene: Scene) -> None:
    scene.watch.fires("backup-old")
    scene.say("backup", "--to", str(scene.centre.folder / "backups"))
    scene.watch.clears("backup-old")


def test_files_that_took_long_and_then_many_that_did_not(scene: Scene) -> None:
    scene.work.order("wait")
    scene.write(1)
    scene.until("executing", 1)
    scene.pass_by(60 * LIMITS.latency_minutes)
    scene.work.relent("wait")
    scene.watch.fires("slow-files")
    scene.write(30)
    scene.watch.clears("slow-files")


def test_every_rule_evaluates_while_files_go_through(scene: Scene) -> None:
    before = scene.count("done")
    scene.write(50)
    rules = scene.watch.evaluated()
    assert [(rule["name"], rule["lastError"]) for rule in rules if rule["health"] != "ok"] == []
    assert sum(rule["type"] == "alerting" for rule in rules) == len(ALERTS) + 1, "and the watchdog"
    scene.until("done", before + 50)
    assert [rule["name"] for rule in scene.watch.evaluated() if rule["health"] != "ok"] == []


def test_attempts_that_fail(scene: Scene) -> None:
    scene.work.order("fail")
    scene.write(40)
    scene.watch.fires("failures", "failed-items")
    scene.work.relent("fail")
    scene.say("requeue", "--phase", "failed", "--reason", "a test", "--yes")
    scene.write(150)
    scene.watch.clears("failures", "failed-items")


def test_a_name_that_means_nothing(scene: Scene) -> None:
    (scene.centre.inbox / "what.raw").write_text("no run, no number")
    scene.watch.fires("dead-letters")
    (scene.centre.inbox / "what.raw").unlink()
    scene.say("dead", "forget", "--all-of", "bad-name", "--reason", "a test", "--yes")
    scene.watch.clears("dead-letters")


def test_a_node_that_is_set_aside(scene: Scene) -> None:
    node = socket.gethostname()
    scene.say("pause", "--node", node, "--reason", "a test", "--yes")
    scene.watch.fires("nodes-set-aside")
    scene.say("resume", "--node", node, "--reason", "a test", "--yes")
    scene.watch.clears("nodes-set-aside")


def test_a_site_that_is_not_there(scene: Scene) -> None:
    folder = scene.centre.folder / "far"
    scene.look("far")
    folder.rename(scene.centre.folder / "gone")
    scene.look("far")
    scene.watch.fires("site-down")
    (scene.centre.folder / "gone").rename(folder)
    scene.look("far")
    scene.watch.clears("site-down")


def test_a_disk_that_fills_and_is_full(scene: Scene) -> None:
    if not may_mount(scene.centre.folder / "tried"):
        pytest.skip("no disk can be mounted here")

    def write(number: int) -> None:
        scene.disk.write(str(number), 8000)
        scene.look("small")

    with small_disk(scene.disk.folder):
        scene.disk.write("first", 100_000)
        scene.seen_before("small")
        scene.while_(write, lambda: scene.watch.receiver.last("buffer-full-soon") == "firing", 120)
        scene.disk.write("all", 1_000_000)
        scene.look("small")
        scene.watch.fires("site-full")
        scene.disk.clear()
        scene.seen_before("small")
        scene.watch.clears("site-full", "buffer-full-soon")


def test_a_worker_that_dies_while_nobody_takes_back_what_it_had(scene: Scene) -> None:
    scene.work.order("wait")
    scene.write(1)
    scene.until("executing", 1)
    with scene.frozen("sweeper"):
        scene.kill("worker")
        scene.watch.fires("leases-expired")
    scene.work.relent("wait")
    scene.start("worker")
    scene.watch.clears("leases-expired")


def test_work_that_waits_while_nobody_sends_it_or_works(scene: Scene) -> None:
    scene.say("pause", "--step", "work", "--reason", "a test", "--yes")
    scene.write(3)
    scene.until("ready", 3)
    with scene.frozen("conductor"):
        scene.say("resume", "--step", "work", "--reason", "a test", "--yes")
        scene.watch.fires("queue-old", "no-progress", seconds=50)
    scene.watch.clears("queue-old", "no-progress")


def test_a_sweeper_that_lives_and_does_not_get_to_count(scene: Scene) -> None:
    with scene.another_measures():
        scene.write(3)
        scene.watch.fires("counts-behind")
    scene.watch.clears("counts-behind")


def test_a_detector_whose_files_do_not_come(scene: Scene) -> None:
    run = scene.begin_run()
    scene.watch.fires("no-files")
    scene.centre.close_run(run, 0)
    scene.watch.clears("no-files")


def test_a_launcher_that_gets_no_pilots(scene: Scene) -> None:
    refused = {"trouble": {"large": "QOSMaxSubmitJobPerUserLimit"}}  # said each round, as launchers do
    told = scene.watch.receiver.last
    scene.while_(lambda _: scene.launcher("nersc", **refused), lambda: told("pilots-refused") == "firing", 150)
    scene.watch.fires("pilots-refused")
    scene.launcher("nersc")
    scene.watch.clears("pilots-refused")


def test_work_that_no_worker_takes_and_no_launcher_brings_one_for(scene: Scene) -> None:
    """A launcher that fell silent is told first, and silences the rest; so it has to live for that to be told."""
    scene.launcher("nersc")
    scene.kill("worker")
    scene.write(3)
    scene.watch.fires("launcher-silent")
    told = scene.watch.receiver.last
    scene.while_(lambda _: scene.launcher("nersc"), lambda: told("no-worker") == "firing", 240)
    assert told("launcher-silent") == "resolved"
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    pending = PilotSeen(token="hf-1", status="pending", job="1", reason="Priority", submitted_at=an_hour_ago)
    scene.pilot("nersc", "hf-1", "reco")
    round_ = {"names": ("reco",), "seen": (pending,)}
    scene.while_(lambda _: scene.launcher("nersc", **round_), lambda: told("pilots-pending") == "firing", 120)
    scene.start("worker")
    scene.watch.clears("no-worker", "pilots-pending")


def test_daemons_that_are_gone(scene: Scene) -> None:
    gone = ("sweeper", "conductor", "watch")
    scene.kill(*gone)
    scene.watch.fires("no-conductor", "no-sweeper", "no-watcher")
    scene.start(*gone)
    scene.watch.clears("no-conductor", "no-sweeper", "no-watcher")


def test_a_broker_that_is_away(scene: Scene) -> None:
    scene.centre.rabbit.stop()
    scene.watch.fires("broker-away")
    scene.centre.rabbit.start()
    scene.watch.clears("broker-away")


def test_a_database_that_is_away_is_told_and_silences_the_rest(scene: Scene) -> None:
    before = scene.watch.firing()
    scene.centre.postgres.stop()
    scene.watch.fires("database-away")
    assert scene.watch.firing() - before == {"database-away"}
    scene.centre.postgres.start()
    scene.watch.clears("database-away")


def test_a_web_that_is_gone(scene: Scene) -> None:
    scene.kill("web")
    scene.watch.fires("web-away")
    scene.watch.barks()
    scene.start("web")
    scene.watch.clears("web-away")


def test_no_alert_of_the_catalogue_was_left_out(scene: Scene) -> None:
    """What goes before has caused and ended each of them."""
    told = scene.watch.receiver.statuses()
    for code in told:
        alert = scene.watch.receiver.alert(code)
        print(f"{code}: fired {alert['startsAt'][11:19]}, over {alert['endsAt'][11:19]}")
    unmade = set() if may_mount(scene.centre.folder / "tried") else {"site-full", "buffer-full-soon"}
    assert set(told) == set(BY_CODE) - unmade
    scene.watch.clears(*told)
