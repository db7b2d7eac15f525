"""What comes along is audited and allowed: advisories, licences, and what bandit looks for."""

import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from . import audit as auditing
from .advisories import served, within
from .licences import ALLOWED, COPYLEFT, PAGE, TOP, packages, page

ADVISORY = """
id: PYSEC-2023-221
details: a form that takes for ever
aliases: [CVE-2023-46136]
published: 2023-10-25T18:17:00+00:00
affected:
- package: {name: werkzeug, ecosystem: PyPI}
  ranges:
  - type: ECOSYSTEM
    events: [{introduced: "0"}, {fixed: 2.3.8}, {introduced: 3.0.0}, {fixed: 3.0.1}]
  versions: ["2.2.2"]
"""
CODE = ("daemon", "web", "consumers", "statemachine", "migrations", "src/headframe/client")


@pytest.fixture
def advisories(tmp_path: Path) -> Path:
    """Give a folder as a clone of the advisories is."""
    (tmp_path / "vulns/werkzeug").mkdir(parents=True)
    (tmp_path / "vulns/werkzeug/PYSEC-2023-221.yaml").write_text(ADVISORY)
    return tmp_path


def asked(folder: Path, *options: str) -> auditing.Found:
    with served(folder) as address:
        pinned = ["werkzeug==3.0.0", "flask==3.1.3"]
        return auditing.audit(pinned, "--vulnerability-service", "osv", "--osv-url", address, *options)


def test_the_audit_finds_a_version_that_has_an_advisory_and_names_the_one_that_mends_it(advisories: Path) -> None:
    found = asked(advisories)
    assert found.findings == ["werkzeug 3.0.0: PYSEC-2023-221 (CVE-2023-46136), fixed in 2.3.8, 3.0.1"]
    assert (found.audited, auditing.tell(found)) == (2, 1)


def test_an_explained_advisory_is_left_out(advisories: Path) -> None:
    found = asked(advisories, "--ignore-vuln", "PYSEC-2023-221")
    assert (found.findings, auditing.tell(found)) == ([], 0)


def test_a_version_is_affected_between_introduced_and_fixed() -> None:
    from packaging.version import Version

    events = [{"introduced": "0"}, {"fixed": "2.3.8"}, {"introduced": "3.0.0"}, {"fixed": "3.0.1"}]
    hit = {at for at in ("0.1", "2.3.7", "2.3.8", "2.9", "3.0.0", "3.0.1", "3.1") if within(events, Version(at))}
    assert hit == {"0.1", "2.3.7", "3.0.0"}


def test_what_could_not_be_audited_is_a_failure() -> None:
    assert auditing.tell(auditing.Found([], ["flask"], 0)) == 1


def test_exceptions_have_a_reason_and_end() -> None:
    auditing.excepted(date(2026, 1, 1))


def test_an_exception_that_ended_is_looked_at_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said = tmp_path / "exceptions.toml"
    said.write_text('[[exception]]\nid = "PYSEC-1"\nreason = "not reached"\nuntil = 2026-01-01\n')
    monkeypatch.setattr(auditing, "EXCEPTIONS", said)
    assert auditing.excepted(date(2025, 12, 31)) == ["PYSEC-1"]
    with pytest.raises(SystemExit, match="look again"):
        auditing.excepted(date(2026, 1, 2))


def test_every_licence_is_permissive_or_explained() -> None:
    found = packages()
    assert {each.name for each in found} >= {"flask", "sqlalchemy", "pika", "psycopg2-binary"}
    strict = [each for each in found if each.name not in COPYLEFT]
    assert [each for each in strict if not ALLOWED.search(each.licence) or "GPL" in each.licence.upper()] == []


def test_the_page_of_licences_names_each_package_that_comes_along() -> None:
    said = PAGE.read_text()
    assert [each.name for each in packages() if f"| `{each.name}` |" not in said] == [], "make licences"
    assert page(packages()[:1]).splitlines()[0] == said.splitlines()[0]


def test_bandit_finds_nothing_that_is_not_explained() -> None:
    words = [sys.executable, "-m", "bandit", "--quiet", "--configfile", "pyproject.toml", "--recursive", *CODE]
    done = subprocess.run(words, cwd=TOP, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout


def test_every_exception_from_bandit_says_why() -> None:
    lines = [
        (path.relative_to(TOP), before.strip(), line)
        for folder in CODE
        for path in sorted((TOP / folder).rglob("*.py"))
        for before, line in _pairs(path)
        if "# nosec" in line
    ]
    assert lines
    assert [f"{path}: {line}" for path, before, line in lines if not _explained(before, line)] == []


def _pairs(path: Path) -> list[tuple[str, str]]:
    """Give each line with those two before it: a statement that goes on over lines has its comment above it."""
    lines = path.read_text().splitlines()
    return [("\n".join(lines[max(0, n - 2) : n]), line) for n, line in enumerate(lines)]


def _explained(before: str, line: str) -> bool:
    """Say whether a reason stands before the exception, on its line or in a comment above."""
    reason = line.partition("#")[2].rpartition("# nosec")[0].partition("noqa:")
    return (
        any(each.strip().startswith("#") for each in before.splitlines()) or len((reason[2] or reason[0]).split()) > 1
    )
