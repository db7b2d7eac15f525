"""The client against a real server over a filled database: what it gives, what it does, how it says what went wrong."""

import contextlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from sqlalchemy import Engine

from headframe.client import Client, ClientError, NotThereError, ProblemError, UnreachableError
from headframe.statemachine import views
from headframe.statemachine.database import connect
from headframe.statemachine.piloting import PilotSeen, PilotWish, Round
from headframe.statemachine.roles import Role
from headframe.web.app import create_app
from headframe.web.serve import Listener
from headframe.web.settings import Settings

from .access_help import LOOSE, make_token
from .servers import PostgresServer, free_ports
from .web_filled import Filled, cloned, fill


class Lab(NamedTuple):
    """A server, what it has, and tokens for it."""

    url: str
    engine: Engine
    filled: Filled
    viewer: str
    operator: str
    launcher: str


@pytest.fixture(scope="module")
def lab(postgres: PostgresServer, database_template: str, instance: str) -> Iterator[Lab]:
    with cloned(postgres, database_template) as database:
        engine = connect(database, instance)
        filled = fill(engine, runs=5, files=40)
        roles = (Role.VIEWER, Role.OPERATOR, Role.LAUNCHER)
        tokens = [make_token(engine, role.value, role)[1] for role in roles]
        app = create_app(engine, Settings(instance=instance, reading="closed", access=LOOSE))
        listener, stop = Listener(app, "127.0.0.1", 0), threading.Event()
        server = threading.Thread(target=listener.run, args=(stop,))
        server.start()
        yield Lab(f"http://127.0.0.1:{listener.port}", engine, filled, *tokens)
        stop.set()
        server.join()
        engine.dispose()


@pytest.fixture
def reader(lab: Lab) -> Iterator[Client]:
    with Client(lab.url, token=lab.viewer) as client:
        yield client


@pytest.fixture
def actor(lab: Lab) -> Iterator[Client]:
    with Client(lab.url, token=lab.operator) as client:
        yield client


def test_a_launcher_says_what_it_starts_and_sees_and_gets_its_orders(lab: Lab, reader: Client, actor: Client) -> None:
    wish = PilotWish(token="hf-test-1", name="reco", steps=("salt",), request={"walltime": "2:00:00"})
    with Client(lab.url, token=lab.launcher) as launcher:
        launcher.intend("here", [wish])
        (pilot,) = reader.pilots(launcher="here", live=True)
        assert actor.tell_pilot(pilot.id, "drain", "its node is to be rebooted").changed == 1
        seen = PilotSeen(token="hf-test-1", status="pending", job="4711", reason="Resources")
        orders = launcher.round("here", Round(host="login1", owner="l-1", seen=(seen,)))
        assert [(each.job, each.told) for each in orders.pilots] == [("4711", "drain")]
        assert {each.step for each in orders.demand} >= {"salt", "reconstruct"}
        with pytest.raises(ProblemError, match="launcher here runs on login1"):
            launcher.round("here", Round(owner="l-2"))
    assert reader.pilot(pilot.id).reason == "Resources"
    assert list(reader.pilots(status="running")) == []


def test_it_gives_the_records_that_the_views_give(lab: Lab, reader: Client) -> None:
    with lab.engine.connect() as connection:
        assert tuple(reader.runs()) == views.runs(connection).rows
        assert reader.run(lab.filled.newest) == views.run(connection, lab.filled.newest)
        assert tuple(reader.campaigns()) == views.campaigns(connection).rows
        assert {site.name for site in reader.sites()} == {site.name for site in views.sites(connection)}


def test_a_list_goes_on_from_page_to_page(monkeypatch: pytest.MonkeyPatch, lab: Lab, reader: Client) -> None:
    monkeypatch.setattr("headframe.client.wire.PAGE", 7)
    files = list(reader.files(run=lab.filled.newest))
    assert len({file.item for file in files}) == len(files) > 20
    assert len(list(reader.files(limit=10))) == 10


def test_every_question_is_answered(lab: Lab, reader: Client) -> None:
    run = lab.filled.newest
    file = next(reader.files(run=run))
    assert reader.why_run(run).sentence
    assert reader.why_file(file.file).sentence
    assert reader.file(file.file).name == file.name
    assert reader.status().at
    assert reader.gaps(run)
    for listed in (
        reader.notes(run),
        reader.catalog(run),
        reader.attempts(run=run),
        reader.history(run=run),
        reader.replicas(run=run),
        reader.products(run=run),
        reader.dead_letters(),
        reader.failures(),
        reader.operations(),
    ):
        list(listed)


def test_what_has_not_changed_is_not_sent_again(lab: Lab, reader: Client) -> None:
    first = reader.campaign(next(reader.campaigns()).name)
    assert reader.campaign(first.name) == first


def test_a_reader_changes_nothing_and_is_told_why(lab: Lab, reader: Client) -> None:
    with pytest.raises(ProblemError, match="operator") as refused:
        reader.tell_run(lab.filled.newest, "close", "a try")
    assert refused.value.status == 403


def test_an_operator_acts_on_exactly_what_a_dry_run_counted(lab: Lab, actor: Client) -> None:
    failed = {"phase": "failed", "kind": "science"}
    seen = actor.order("requeue", failed, dry_run=True)
    assert seen.total > 0
    did = actor.order("requeue", failed, "the disk is back", selected=seen.selected)
    assert (did.total, did.changed, did.status) == (seen.total, seen.total, "done")
    with pytest.raises(ProblemError) as changed:
        actor.order("requeue", failed, "the disk is back", selected=seen.selected)
    assert (changed.value.status, changed.value.members["code"]) == (409, "selection-changed")


def test_the_same_key_acts_once(lab: Lab, actor: Client) -> None:
    run = {"runs": [lab.filled.newest], "state": "placed", "phase": "ready"}
    first = actor.order("hold", run, "a look", key="k-1")
    assert actor.order("hold", run, "a look", key="k-1").id == first.id


def test_notes_and_quality_are_written_under_the_tokens_name(lab: Lab, actor: Client) -> None:
    assert actor.note(lab.filled.newest, "grid glow at the start").author == "operator"
    assert actor.judge(lab.filled.newest, "questionable", "grid glow").actor == "operator"
    assert next(actor.notes(lab.filled.newest)).text == "grid glow at the start"


def test_a_product_that_no_site_here_has_names_where_it_lies(lab: Lab, reader: Client) -> None:
    entry = next(each for each in reader.catalog(lab.filled.first) if each.locations)
    with pytest.raises(NotThereError, match=entry.locations[0].site):
        reader.place(entry)


def test_a_copy_is_found_below_the_root_where_its_site_is_mounted(lab: Lab, tmp_path: Path) -> None:
    with Client(lab.url, token=lab.viewer) as asking:
        entry = next(each for each in asking.catalog(lab.filled.first) if each.locations)
    at = entry.locations[0]
    (tmp_path / at.path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / at.path).write_bytes(b"x")
    with Client(lab.url, token=lab.viewer, sites={at.site: str(tmp_path)}) as client:
        assert client.place(entry) == str(tmp_path / at.path)


@pytest.mark.parametrize("url", ["example.org", "ftp://x", "http://", "http://me:secret@x"])
def test_an_address_that_is_none_is_refused_and_no_secret_is_shown(url: str) -> None:
    with pytest.raises(ClientError) as refused:
        Client(url)
    assert "secret" not in str(refused.value)


def test_nobody_there_and_a_bad_token_are_said_apart(lab: Lab) -> None:
    (port,) = free_ports(1)
    with pytest.raises(UnreachableError, match="does not answer"):
        Client(f"http://127.0.0.1:{port}", timeout_s=2).status()
    with pytest.raises(ProblemError) as refused:
        Client(lab.url, token="hf_nonsense").status()
    assert refused.value.status == 401
    assert lab.viewer not in repr(Client(lab.url, token=lab.viewer).wire)


def test_a_server_that_is_no_headframe_is_told_so() -> None:
    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<h1>It works!</h1>")

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(UnreachableError, match="is no headframe: 200 text/html"):
            Client(f"http://127.0.0.1:{server.server_port}").status()
        server.shutdown()


def test_a_token_file_holds_one_token(tmp_path: Path) -> None:
    with pytest.raises(ClientError, match="cannot be read"):
        Client("http://x", token_file=tmp_path / "none")
    (tmp_path / "two").write_text("a b")
    with pytest.raises(ClientError, match="one token"):
        Client("http://x", token_file=tmp_path / "two")


class Long(http.server.BaseHTTPRequestHandler):
    """Answers a log of a megabyte, and who asks, over one connection."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        content = b"x" * (1 << 20) if self.path.endswith("/log") else b'{"name": "anna"}'
        self.send_response(200)
        self.send_header("Content-Type", "text/plain" if self.path.endswith("/log") else "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


def test_a_log_that_is_not_read_to_its_end_spoils_no_later_answer() -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Long) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with Client(f"http://127.0.0.1:{server.server_port}") as client:
            log = client.log(1, 1)
            assert next(log)
            log.close()  # type: ignore[attr-defined]
            assert client.me().name == "anna"
            assert sum(len(piece) for piece in client.log(1, 1)) == 1 << 20
        server.shutdown()
