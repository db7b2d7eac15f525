"""The runs page: what needs somebody on top, found by search, looked up by number, taken away as a file."""

import csv
import html
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from headframe.statemachine.database import connect
from headframe.statemachine.store.notes import write
from headframe.statemachine.views import service_needs, status, trouble
from headframe.web.app import create_app
from headframe.web.settings import Settings

from .servers import PostgresServer
from .web_filled import Filled, cloned, fill


@dataclass
class Site:
    client: FlaskClient
    filled: Filled
    engine: Engine

    def runs(self, **asked: str) -> list[int]:
        page = self.client.get("/", query_string=asked)
        assert page.status_code == 200, page.text
        return [int(number) for number in re.findall(r'<tr data-run="(\d+)"', page.text)]


@pytest.fixture(scope="module")
def site(postgres: PostgresServer, database_template: str, instance: str) -> Iterator[Site]:
    with cloned(postgres, database_template) as url:
        engine = connect(url, instance)
        app = create_app(engine, Settings(instance=instance))
        yield Site(app.test_client(), fill(engine, runs=60, files=100), engine)
        engine.dispose()


GAPS = [1201 + n for n in range(59) if n % 7 == 6]
TROUBLE = [1201 + n for n in range(59) if n % 5 == 3]


def test_runs_with_missing_files_come_to_the_top_and_no_run_is_lost_on_the_way(site: Site) -> None:
    seen: list[int] = []
    address = "/?sort=missing"
    while address:
        page = site.client.get(address)
        seen += [int(number) for number in re.findall(r'<tr data-run="(\d+)"', page.text)]
        found = re.search(r'rel="next" href="([^"]+)"', page.text)
        address = found[1].replace("&amp;", "&") if found else ""
    others = sorted({*range(1201, 1261)} - {*GAPS}, reverse=True)
    assert seen == [*sorted(GAPS, reverse=True), *others]


def test_runs_can_be_had_oldest_first(site: Site) -> None:
    first = site.runs(sort="oldest")
    assert first == list(range(1201, 1251))


@pytest.mark.parametrize(
    ("search", "numbers"),
    [
        ("missing:yes", GAPS),
        ("held:yes", TROUBLE),
        ("missing:yes held:yes", sorted({*GAPS} & {*TROUBLE})),
        ("missing:no run:1201-1210", [n for n in range(1201, 1211) if n not in GAPS]),
        ("failed:yes missing:no run:1201-1215", [n for n in TROUBLE if n not in GAPS and n <= 1215]),
        ("open:yes", [1260]),
        ("state:placed", TROUBLE),
        ("phase:done run:1201-1204", [1201, 1202, 1203]),
        ("site:USDC run:1205", [1205]),
        ("site:nowhere", []),
        ("reason:exit-3 missing:yes", sorted({*GAPS} & {*TROUBLE})),
        ("campaign:realtime-2026w47 1201", [1201]),
        ("campaign:none", []),
        ("type:led run:1201-1208", [1204, 1208]),
        ("quality:unknown run:1201", [1201]),
        ("waived:no run:1201", [1201]),
    ],
)
def test_a_search_finds_the_runs_that_fit(site: Site, search: str, numbers: list[int]) -> None:
    assert site.runs(q=search) == sorted(numbers, reverse=True)


def test_a_run_is_found_by_what_was_written_of_it(site: Site) -> None:
    with site.engine.begin() as connection:
        write(connection, 1203, "channel 17 is 100% hot", "ann")
    assert site.runs(q='note:"100% HOT"') == [1203]
    assert site.runs(q="note:1000") == []


def test_an_unknown_qualifier_is_named(site: Site) -> None:
    answer = site.client.get("/?q=colour:red")
    assert answer.status_code == 400
    assert "“colour:” is no qualifier" in answer.text


def test_what_needs_somebody_stands_on_top_and_equals_a_recount(site: Site) -> None:
    page = site.client.get("/").text
    sums = re.sub(r"<[^>]+>|\s+", " ", page.split('id="summary"')[1].split('id="runs"')[0])
    with site.engine.connect() as connection:
        failed = connection.execute(text("select count(*) from item where phase = 'failed'")).scalar_one()
    assert f"{failed} failed" in sums
    assert f"{4 * len(GAPS)} missing" in re.sub(r"\s+", " ", sums)
    assert f"in {len(GAPS)} runs" in re.sub(r"\s+", " ", sums)


def test_a_site_that_is_down_and_a_daemon_that_is_gone_stand_on_the_first_page_in_the_words_of_status(
    site: Site,
) -> None:
    with site.engine.begin() as connection:
        connection.execute(text("insert into site (name) values ('UKDC') on conflict (name) do nothing"))
        connection.execute(text("update site set status = 'down', reason = 'it is not there' where name = 'UKDC'"))
        connection.execute(text("update process set seen_at = now() - interval '1 hour' where role = 'conductor'"))
    page = site.client.get("/?part=1").text
    service = page.split('id="service"')[1].split('id="runs"')[0]
    with site.engine.connect() as connection:
        said = {str(need) for need in status(connection).problems if need.code not in ("failed", "held")}
        assert {str(need) for need in service_needs(connection)} == said
    assert "site UKDC is down: it is not there" in said
    assert all(sentence in html.unescape(service) for sentence in said)


def test_gaps_are_named_in_the_row(site: Site) -> None:
    assert "17 to 19, 44" in site.client.get(f"/?number={GAPS[0]}").text


def test_ten_thousand_numbers_are_looked_up_and_those_without_a_run_are_named(site: Site) -> None:
    odd = " ".join(str(number) for number in range(1, 20_001, 2))
    answer = site.client.post("/look-up", data={"number": odd})
    assert answer.status_code == 200
    assert [int(n) for n in re.findall(r'<tr data-run="(\d+)"', answer.text)] == list(range(1259, 1200, -2))
    assert "asked for without a run here" in answer.text
    assert "data-live" not in answer.text
    assert site.client.post("/look-up", data={"number": odd + " 20001"}).status_code == 400


def test_a_short_look_up_becomes_an_address_with_ranges(site: Site) -> None:
    answer = site.client.post("/look-up", data={"number": "1201,1202\n1203 1210"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/?number=1201-1203+1210")


def test_the_rows_shown_can_be_had_as_csv_and_json(site: Site) -> None:
    asked = {"q": "type:science", "sort": "missing"}
    listed = site.client.get("/", query_string={**asked, "format": "csv"})
    rows = list(csv.DictReader(io.StringIO(listed.text)))
    records = json.loads(site.client.get("/", query_string={**asked, "format": "json"}).text)
    assert [int(row["run"]) for row in rows] == [record["run"] for record in records]
    assert [int(row["run"]) for row in rows] == site.runs(**asked)
    assert listed.headers["Content-Disposition"] == 'attachment; filename="runs.csv"'
    assert {row["missing"] for row in rows} == {"0", "4"}


def test_an_export_of_nothing_is_empty_and_another_format_is_refused(site: Site) -> None:
    assert site.client.get("/?q=site:nowhere&format=json").json == []
    assert site.client.get("/?format=xls").status_code == 400
    assert site.client.get("/?sort=colour").status_code == 400


@pytest.fixture
def stormy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make three runs and three files a storm."""
    monkeypatch.setattr(trouble, "MOST", 3)


def test_a_summary_that_stopped_says_at_least(site: Site, stormy: None) -> None:
    assert "At least" in site.client.get("/").text


def test_a_summary_of_everything_does_not_say_at_least(site: Site) -> None:
    assert "At least" not in site.client.get("/").text


@pytest.mark.parametrize("name", ["missing", "failed", "held", "abandoned", "open", "trouble", "waived"])
@pytest.mark.parametrize("has", ["yes", "no"])
def test_a_storm_leaves_no_run_out_of_a_list(site: Site, name: str, has: str, monkeypatch: pytest.MonkeyPatch) -> None:
    all_of_them = site.runs(q=f"{name}:{has}")
    monkeypatch.setattr(trouble, "MOST", 3)
    assert site.runs(q=f"{name}:{has}") == all_of_them


@pytest.mark.parametrize("name", ["missing", "failed", "open", "trouble"])
def test_rest_finds_the_same_runs_as_the_page(site: Site, name: str) -> None:
    for has, word in (("yes", "true"), ("no", "false")):
        answer = site.client.get(f"/api/v1/runs?{name}={word}&limit=50&sort=-missing").get_json()
        assert [row["number"] for row in answer["rows"]] == site.runs(q=f"{name}:{has}", sort="missing")
