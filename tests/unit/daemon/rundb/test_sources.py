"""What manifests, tables and databases say of runs."""

import json
import os
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from headframe.daemon.config import ConfigError
from headframe.daemon.config.load import build
from headframe.daemon.config.model import Inbox
from headframe.daemon.rundb.base import InboxFolder, RunDB, Setting, open_all
from headframe.daemon.rundb.csvfile import CsvRunDB
from headframe.daemon.rundb.manifest import ManifestRunDB
from headframe.daemon.rundb.sql import SqlRunDB
from headframe.statemachine.records import ExpectedFile, RunInfo, Trouble

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PATTERN = r"run_(?P<run>\d+)/raw_(?P<sequence>\d+)\.h5"


def split(source: RunDB) -> tuple[list[RunInfo], list[Trouble]]:
    said: Sequence[RunInfo | Trouble] = list(source.poll())
    return [one for one in said if isinstance(one, RunInfo)], [one for one in said if isinstance(one, Trouble)]


def csv_of(tmp_path: Path, text: str) -> CsvRunDB:
    (tmp_path / "runs.csv").write_text(text)
    return CsvRunDB(Setting(name="table", options={"file": "runs.csv"}, folder=tmp_path))


def manifests_of(tmp_path: Path, **inbox: Any) -> ManifestRunDB:
    settings = {"site": "raw", "pattern": PATTERN, "manifest": r"run_(?P<run>\d+)/manifest\.json", **inbox}
    return ManifestRunDB(Setting(name="m", inboxes={"main": InboxFolder(inbox=Inbox(**settings), folder=tmp_path)}))


def write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


def test_a_csv_file_gives_a_run_a_line(tmp_path: Path) -> None:
    text = "Run,type,started,ended,expected,operator\n"
    text += "7,science,2026-03-01T13:00:00+01:00,,,Ada\n8,led,,2026-03-01 12:00,20,\n"
    runs, troubles = split(csv_of(tmp_path, text))
    assert troubles == []
    assert runs[0] == RunInfo(run=7, source="table", kind="science", started=NOON, metadata={"operator": "Ada"})
    assert runs[1] == RunInfo(run=8, source="table", kind="led", ended=NOON, expected=20, closed=True)


def test_bad_rows_are_troubles_that_name_line_and_column_and_stop_nothing(tmp_path: Path) -> None:
    text = "run,ended,closed\nx,,\n,,\n99999999999999999999,,\n1,yesterday,\n2,,maybe\n3,,no,4\n5,,\n"
    runs, troubles = split(csv_of(tmp_path, text))
    assert [run.run for run in runs] == [5]
    assert [trouble.sentence.partition(":")[0] for trouble in troubles] == [
        "run",
        "run",
        "run",
        "ended",
        "closed",
        "the line has more values than there are columns",
    ]
    assert troubles[0].subject == f"{tmp_path}/runs.csv:2"
    assert {trouble.code for trouble in troubles} == {"run-row-invalid"}


def test_a_csv_file_without_the_column_run_says_what_it_has(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no column run; it has number, type"):
        split(csv_of(tmp_path, "number,type\n1,x\n"))


def test_a_query_gives_a_run_a_row(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "daq.db") as daq:
        daq.execute("create table runs (number integer, mode text, started text, ended real, shift text)")
        rows = [(7, "science", "2026-03-01T12:00:00", None, "night"), (8, "led", None, NOON.timestamp(), None)]
        daq.executemany("insert into runs values (?, ?, ?, ?, ?)", [*rows, (-1, None, None, None, None)])
    query = "select number as run, mode as type, started, ended, shift from runs"
    options = {"url": f"sqlite:///{tmp_path}/daq.db", "query": query}
    runs, troubles = split(SqlRunDB(Setting(name="daq", options=options)))
    assert runs[0] == RunInfo(run=7, source="daq", kind="science", started=NOON, metadata={"shift": "night"})
    assert (runs[1].ended, runs[1].closed) == (NOON, True)
    assert [trouble.subject for trouble in troubles] == ["rundb daq, run -1"]


def test_a_manifest_gives_a_run_and_its_files(tmp_path: Path) -> None:
    files = [{"name": "raw_0.h5", "sequence": 0, "size": 5, "adler32": "00000001"}, "sub/raw_1.h5"]
    content = {"type": "led", "started": "2026-03-01T12:00:00Z", "closed": True, "files": files, "metadata": {"V": 5}}
    write(tmp_path / "run_7" / "manifest.json", content)
    runs, troubles = split(manifests_of(tmp_path))
    assert troubles == []
    assert runs == [
        RunInfo(
            run=7,
            source="m",
            kind="led",
            started=NOON,
            expected=2,
            closed=True,
            files=(
                ExpectedFile(name="raw_0.h5", sequence=0, size=5, adler32="00000001"),
                ExpectedFile(name="raw_1.h5"),
            ),
            metadata={"V": 5},
        )
    ]


def test_a_changed_manifest_is_read_again_and_a_removed_one_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "run_7" / "manifest.json"
    source = manifests_of(tmp_path)
    write(path, {"expected": 3})
    assert split(source)[0][0].expected == 3
    write(path, {"expected": 40, "ended": 1772366400})
    os.utime(path, (1, 1))
    assert split(source)[0][0] == RunInfo(run=7, source="m", expected=40, ended=NOON, closed=True)
    path.unlink()
    assert split(source) == ([], [])


def test_a_wrong_manifest_is_said_at_the_second_look_and_stops_no_other(tmp_path: Path) -> None:
    write(tmp_path / "run_1" / "manifest.json", "{")
    write(tmp_path / "run_2" / "manifest.json", {"files": 5})
    write(tmp_path / "run_99999999999999999999" / "manifest.json", {})
    write(tmp_path / "run_3" / "manifest.json", {"expected": 1})
    source = manifests_of(tmp_path)
    runs, troubles = split(source)
    assert ([run.run for run in runs], troubles) == ([3], [])
    runs, troubles = split(source)
    assert [run.run for run in runs] == [3]
    codes = ["manifest-invalid", "manifest-unreadable", "run-number-out-of-range"]
    assert sorted(trouble.code for trouble in troubles) == codes
    assert sorted(str(trouble.run) for trouble in troubles) == ["1", "2", "None"]  # there one asks why


def test_where_files_arrive_by_manifest_the_watcher_says_what_is_wrong(tmp_path: Path) -> None:
    write(tmp_path / "run_1" / "manifest.json", "{")
    source = manifests_of(tmp_path, arrival="manifest")
    split(source)
    assert split(source) == ([], [])


@pytest.mark.parametrize(
    ("use", "options", "what"),
    [
        ("csv", {}, "rundb.x.options.file: is missing"),
        ("csv", {"file": "a", "delimter": ";"}, 'did you mean "delimiter"?'),
        ("csv", {"file": "a", "delimiter": ";;"}, "one character"),
        ("sql", {"url": "sqlite://"}, "rundb.x.options.query: set it"),
        ("sql", {"url": "nonsense", "query": "x"}, "rundb.x.options.url: is no URL"),
        ("sql", {"url": "mssql://h/d", "query": "x"}, "rundb.x.options.url: the driver for mssql is not installed"),
        ("sql", {"url": "nosuch://h/d", "query": "x"}, "rundb.x.options.url: is no URL"),
        ("manifest", {}, "no inbox has a manifest pattern"),
        ("manifest", {"inboxes": ["mian"]}, 'no inbox "mian"'),
    ],
)
def test_wrong_options_are_named_with_their_key(tmp_path: Path, use: str, options: dict[str, Any], what: str) -> None:
    config = build(
        {
            "database": {"embedded": "pg"},
            "site": {"raw": {"path": "raw"}},
            "inbox": {"main": {"site": "raw", "pattern": PATTERN}},
            "rundb": {"x": {"use": use, "options": options}},
        },
        {},
        tmp_path,
    )
    with pytest.raises(ConfigError) as caught:
        open_all(config)
    assert what in str(caught.value)


def sql_of(url: str, query: str, timeout_s: float = 30.0) -> SqlRunDB:
    return SqlRunDB(Setting(name="daq", options={"url": url, "query": query}, timeout_s=timeout_s))


def test_a_query_to_postgresql_keeps_its_types(empty_database_url: str) -> None:
    query = (
        "select 7::bigint as run, timestamptz '2026-03-01 13:00+01' as started, true as closed, 1.5::numeric as mass"
    )
    runs, troubles = split(sql_of(empty_database_url, query))
    assert troubles == []
    assert runs == [RunInfo(run=7, source="daq", started=NOON, closed=True, metadata={"mass": 1.5})]


def test_a_query_that_takes_too_long_or_writes_is_refused_by_postgresql(empty_database_url: str) -> None:
    with pytest.raises(Exception, match="statement timeout"):
        split(sql_of(empty_database_url, "select 1 as run from pg_sleep(60)", timeout_s=3))
    with pytest.raises(Exception, match=r"syntax error|read-only"):
        split(sql_of(empty_database_url, "create table runs (run int)"))
