"""Which names a configuration would take, shown before any file arrives."""

from pathlib import Path

from headframe.daemon.config.load import build
from headframe.daemon.config.preview import preview


def test_the_preview_says_what_each_name_would_be(tmp_path: Path) -> None:
    config = build(
        {
            "database": {"embedded": "pg"},
            "site": {"raw": {"path": "raw"}},
            "run_type": {"science": {}},
            "worker": {"work_site": "raw"},
            "inbox": {
                "main": {
                    "site": "raw",
                    "path": "in",
                    "pattern": r"(?P<kind>[a-z]+)_(?P<run>\d+)_(?P<sequence>\d+)\.h5",
                },
                "old": {
                    "site": "raw",
                    "path": "old",
                    "pattern": r"r(?P<run>\d+)\.(?P<sequence>\d+)",
                    "arrival": "semaphore",
                    "kind": "science",
                },
            },
        },
        {},
        tmp_path,
    )
    names = ["science_7_3.h5\n", "", "beam_7_4.h5", f"{tmp_path}/raw/old/r12.5", "r12.5.done", "x.tmp", "notes.txt"]
    names += ["science_99999999999999999999_1.h5", "../science_1_1.h5", "/elsewhere/x"]
    rows = [(row.result, row.inbox, row.run, row.sequence, row.kind, row.known_type) for row in preview(config, names)]
    assert rows == [
        ("file", "main", 7, 3, "science", True),
        ("file", "main", 7, 4, "beam", False),
        ("file", "old", 12, 5, "science", True),
        ("semaphore", "old", None, None, None, False),
        ("ignored", "main", None, None, None, False),
        ("name-unmatched", "main", None, None, None, False),
        ("run-number-out-of-range", "main", None, None, None, False),
        ("outside-inbox", "main", None, None, None, False),
        ("no-inbox", "", None, None, None, False),
    ]
