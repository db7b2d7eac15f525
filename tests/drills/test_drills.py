"""Each disaster of docs/drills.md, really brought about on private servers: `make drills`."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from trustme import CA, LeafCert

from ..conftest import on_server
from ..faults.centre import Centre, step
from ..faults.conftest import Make
from ..faults.disk import Disk
from ..faults.reckoning import RUNS_BEHIND, stands
from ..integration.rabbit_server import RabbitServer
from ..integration.servers import wait_until
from .drill import Drill

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
STEPS = "\n".join(
    [
        step("salt", "salted", use="faults-write", owned_by="file", interrupts=2, parcel=4),
        step("place", "placed", makes="copy", owned_by="file"),
        step("catalog", "cataloged", makes="nothing", parcel=5),
    ]
)
POISON = STEPS.replace("faults-write", "faults-kill")
ENDED = "select count(*) from item where scope = 'file' and phase in ('done', 'failed')"
YEAR = timedelta(days=365)
OUT = "select count(*) from item where phase in ('submitted', 'executing')"


def moved(centre: Centre, files: int) -> Callable[[], bool]:
    """Give a look whether so many files have come to their end."""
    return lambda: centre.value(ENDED) >= files


def status(drill: Drill, *words: str) -> Callable[[], bool]:
    """Give a look whether `status` says all of these words."""
    return lambda: all(word in drill.centre.command("status").stdout for word in words)


def test_database_away(centres: Make) -> None:
    with centres(steps=STEPS) as centre:
        drill = Drill("database-away", centre)
        drill.begin()
        drill.write(60)
        wait_until(moved(centre, 10), 60, "the work is under way")
        drill.happens("the database's server is killed in the middle of the work")
        centre.postgres.kill()
        drill.status()
        drill.doctor()
        drill.happens("the detector goes on writing; then the server comes back")
        drill.write(20)
        centre.postgres.start()
        drill.rest()
        drill.end()


def test_broker_lost(centres: Make) -> None:
    with centres(steps=STEPS) as centre:
        drill = Drill("broker-lost", centre)
        drill.begin()
        drill.write(60)
        wait_until(moved(centre, 10), 60, "the work is under way")
        drill.happens("RabbitMQ is killed, and its data folder deleted; the detector goes on writing")
        centre.rabbit.kill()
        drill.write(20)
        drill.doctor()
        drill.happens("an empty RabbitMQ takes its place, with the same user")
        centre.rabbit.wipe()
        drill.ask("broker", "declare", most=4)
        drill.rest()
        drill.end()


def test_site_full(centres: Make) -> None:
    with centres(steps=STEPS) as centre:
        drill = Drill("site-full", centre)
        disk = Disk(centre.folder / "center", centre.orders, 200)
        try:
            disk.fill()
            drill.begin()
            drill.happens("the disk of site center is full; the detector writes a run")
            drill.write(10)
            code = "select count(*) from attempt where reason_code = 'no-space'"
            try:
                drill.wait("files wait with the reason no-space", lambda: centre.value(code) > 0, 60)
            except TimeoutError:
                print(stands(centre), centre.last_words()[-6000:])
                raise
            drill.status()
            drill.ask("why", "run", str(drill.run))
            drill.happens("room is made")
            disk.free()
            drill.rest()
            drill.end()
        finally:
            centre.close()
            disk.close()


def test_node_dead(centres: Make) -> None:
    with centres(steps=STEPS.replace("faults-write", "faults-linger")) as centre:
        drill = Drill("node-dead", centre)
        drill.begin()
        drill.write(6)
        at_work = "select count(distinct owner) from item where phase = 'executing'"
        wait_until(lambda: centre.value(at_work) == 2, 60, "both workers work")
        drill.happens("worker-0 with its node: no process of it is left, and none comes back")
        dead = centre.member("worker-0")
        dead.wanted = False
        dead.close()
        drill.wait(
            "its file is with the other worker, or waits for it",
            lambda: centre.value("select count(*) from history where reason_code = 'lost-lease'") > 0,
        )
        drill.status()
        (centre.folder / "center" / "go").touch()
        drill.rest()
        drill.end()


def test_poisoned_file(centres: Make) -> None:
    with centres(steps=POISON, delivery_limit=2) as centre:
        drill = Drill("poisoned-file", centre)
        drill.begin("conductor-0", "sweeper-0", "watch-0")
        for number in range(3):
            centre.add(f"worker-{number}", {"HEADFRAME_FAULTS_HOST": f"node-{number}"})
        drill.happens("file 1 of the run kills every worker that opens it")
        drill.write(6)
        drill.rest(within_s=300)
        drill.status()
        drill.ask("why", "run", "1")
        drill.ask(
            "abandon", "--run", "1", "--phase", "failed", "--reason", "crashes the reader; kept for study", "--yes"
        )
        drill.wait("the run is complete without it", lambda: not centre.value(RUNS_BEHIND), 60)
        drill.ask("why", "run", "1")
        drill.end()


def test_wrong_configuration(centres: Make) -> None:
    with centres(steps=STEPS) as centre:
        drill = Drill("wrong-configuration", centre)
        drill.begin()
        drill.write(10)
        drill.rest()
        right = centre.config.read_text()
        drill.happens("a new configuration is rolled out, with a mistake in it, and the conductor is started again")
        centre.config.write_text(right.replace("[conductor]", "[conductor]\nbulk_shares = 0.5"))
        member = centre.member("conductor-0")
        member.leave()
        drill.ask("conductor", code=None)
        drill.ask("config", "check", code=None)
        drill.happens("nothing changes state now; the others go on with what they had read. The file is put back")
        drill.write(10)
        centre.config.write_text(right)
        drill.ask("config", "check")
        member.start()
        drill.rest()
        drill.end()


def test_conductor_frozen(centres: Make) -> None:
    with centres(steps=STEPS) as centre:
        drill = Drill("conductor-frozen", centre)
        drill.begin()
        drill.write(10)
        drill.rest()
        drill.happens("the only conductor stands still (SIGSTOP): it lives, so nobody starts it again")
        centre.member("conductor-0").freeze()
        drill.write(10)
        drill.wait("status says it", status(drill, "no conductor"), 120)
        drill.status()
        drill.happens("it is killed; its keeper starts it again")
        centre.member("conductor-0").kill()
        drill.rest()
        drill.end()


def test_web_host_gone(centres: Make) -> None:
    with centres(steps=STEPS) as centre:
        drill = Drill("web-gone", centre)
        drill.begin()
        drill.write(10)
        drill.happens("the host of the pages is gone")
        web = centre.member("web-0")
        web.wanted = False
        web.close()
        drill.rest()
        drill.ask("--url", "http://127.0.0.1:9", "get", "runs", code=None)
        drill.status()
        drill.happens("it is started on another host; sessions and tokens are in the database")
        centre.add("web-1")
        drill.end()


def test_machine_rebooted(centres: Make) -> None:
    with centres(steps=STEPS) as centre:
        drill = Drill("machine-rebooted", centre)
        drill.begin()
        drill.write(60)
        wait_until(moved(centre, 10), 60, "the work is under way")
        drill.happens(f"power cut: every process, PostgreSQL and RabbitMQ at once, {centre.value(OUT)} items out")
        members = list(centre.members)
        for member in members:
            member.wanted = False
        for member in members:
            member.close()
        centre.postgres.kill()
        centre.rabbit.kill()
        drill.happens("power is back: processes first, then RabbitMQ, then PostgreSQL, in the wrong order on purpose")
        for member in members:
            member.start()
        centre.rabbit.start()
        centre.postgres.start()
        drill.rest()
        drill.status()
        drill.end()


def test_certificate_expired(centres: Make) -> None:
    with centres(steps=STEPS) as centre:
        authority, rabbit = CA(), centre.rabbit
        yesterday = datetime.now(UTC) - timedelta(days=1)
        fresh = authority.issue_cert("localhost", "127.0.0.1")
        over = authority.issue_cert("localhost", "127.0.0.1", not_before=yesterday - YEAR, not_after=yesterday)
        kept = {path: path.read_bytes() for path in (rabbit._certificate, rabbit._key, rabbit.cafile)}
        drill = Drill("certificate-expired", centre)
        try:
            authority.cert_pem.write_to_path(str(rabbit.cafile))
            _shows(rabbit, fresh)
            _speaks_tls(centre)
            drill.begin()
            drill.write(10)
            drill.rest()
            drill.happens("the broker's certificate expires: from now on it shows one that ended yesterday")
            _shows(rabbit, over)
            drill.write(10)
            drill.doctor()
            drill.wait("status says it", status(drill, "broker"), 120)
            drill.status()
            drill.happens("the administrator puts the renewed certificate into place")
            _shows(rabbit, fresh)
            drill.rest()
            drill.doctor()
            drill.end()
        finally:
            centre.close()
            for path, content in kept.items():
                path.write_bytes(content)
            rabbit.wipe()  # for a moment after a mere restart its queues elect, and none can be declared


def _shows(rabbit: RabbitServer, certificate: LeafCert) -> None:
    """Have the broker show this certificate."""
    certificate.cert_chain_pems[0].write_to_path(str(rabbit._certificate))
    certificate.private_key_pem.write_to_path(str(rabbit._key))
    rabbit.restart()


def _speaks_tls(centre: Centre) -> None:
    """Have the processes come by TLS."""
    said, rabbit = centre.config.read_text(), centre.rabbit
    vouched = f'password_file = "broker.password"\ncafile = "{rabbit.cafile}"'
    centre.config.write_text(
        said.replace(rabbit.url, rabbit.tls_url).replace('password_file = "broker.password"', vouched)
    )


def test_database_lost(centres: Make) -> None:
    with centres(steps=STEPS) as centre:
        drill = Drill("database-lost", centre)
        drill.begin()
        drill.write(20)
        drill.rest()
        name = centre.database.rpartition("/")[2]
        drill.happens("a backup at night, while files arrive")
        drill.write(20)
        drill.ask("backup", "--to", str(centre.folder / "backups"))
        drill.rest()
        drill.happens("the day after, the database is gone; the detector goes on writing")
        centre.engine.dispose()
        on_server(centre.postgres, f"DROP DATABASE {name} WITH (FORCE)")
        drill.write(20)
        drill.status()
        drill.happens("conductor, sweeper, watcher and web are stopped; createdb")
        services = [each for each in centre.members if each.role != "worker"]
        for member in services:
            member.leave()
        on_server(centre.postgres, f"CREATE DATABASE {name}")
        drill.ask("restore", str(centre.folder / "backups"), "--yes")
        drill.ask("db", "upgrade")
        drill.happens("everything is started")
        for member in services:
            member.start()
        drill.rest()
        drill.end()
