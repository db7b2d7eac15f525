"""`make audit`: pip-audit over what headframe brings along; each finding is mended or explained.

Without a service that knows advisories, `ADVISORIES=FOLDER` takes a clone of github.com/pypa/advisory-database instead.
What could not be audited is said, and is a failure: silence would look like health.
"""

import json
import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from datetime import UTC, date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from .advisories import served
from .licences import EXTRAS, packages

EXCEPTIONS = Path(__file__).with_name("exceptions.toml")


class Found(NamedTuple):
    """What an audit has found, each in a sentence, and the packages that nobody could say anything of."""

    findings: list[str]
    unknown: list[str]
    audited: int


def pins() -> list[str]:
    """Give what is installed of that which headframe needs, each at its version."""
    return [f"{each.name}=={version(each.name)}" for each in packages()]


def audit(pinned: Sequence[str], *options: str) -> Found:
    """Ask pip-audit about these versions."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as wanted:
        wanted.write("\n".join(pinned) + "\n")
        wanted.flush()
        words = [sys.executable, "-m", "pip_audit", "--requirement", wanted.name, "--no-deps", "--disable-pip"]
        more = ["--format", "json", "--progress-spinner", "off", *options]
        done = subprocess.run([*words, *more], capture_output=True, text=True, check=False, timeout=900)
    if not done.stdout.strip():
        raise SystemExit(f"audit: pip-audit did not get through:\n{done.stderr[-2000:]}")
    return _read(json.loads(done.stdout)["dependencies"])


def _read(said: list[dict[str, Any]]) -> Found:
    findings = [
        f"{each['name']} {each['version']}: {vuln['id']} ({', '.join(vuln['aliases'])}), fixed in "
        f"{', '.join(vuln['fix_versions']) or 'no version'}"
        for each in said
        for vuln in each.get("vulns", [])
    ]
    unknown = [each["name"] for each in said if "skip_reason" in each]
    return Found(findings, unknown, len(said) - len(unknown))


def excepted(today: date) -> list[str]:
    """Give the advisories that are explained; an explanation ends at its date."""
    said = tomllib.loads(EXCEPTIONS.read_text()).get("exception", [])
    for each in said:
        if not each["reason"].strip() or each["until"] < today:
            raise SystemExit(
                f"audit: the exception of {each['id']} has no reason, or ended {each['until']}: look again"
            )
    return [each["id"] for each in said]


def main() -> int:
    """Audit, print, and say by the exit code whether anything is to be done."""
    ignored = [word for each in excepted(datetime.now(UTC).date()) for word in ("--ignore-vuln", each)]
    pinned = pins()
    if folder := os.environ.get("ADVISORIES"):
        with served(Path(folder)) as address:
            found = audit(pinned, "--vulnerability-service", "osv", "--osv-url", address, *ignored)
    elif audit(pinned[:1], *ignored).unknown:
        print(f"audit: the package index knows no advisories (asked about {pinned[0]}).")
        print("next: git clone https://github.com/pypa/advisory-database, then make audit ADVISORIES=advisory-database")
        return 2
    else:
        found = audit(pinned, *ignored)
    print(f"audit: {len(excepted(datetime.now(UTC).date()))} advisories are explained in {EXCEPTIONS.name}")
    return tell(found)


def tell(found: Found) -> int:
    """Print what was found."""
    for finding in found.findings:
        print(f"FAIL  {finding}")
    for name in found.unknown:
        print(f"FAIL  {name}: could not be audited")
    ill, unknown = len(found.findings), len(found.unknown)
    print(f"audit: {found.audited} packages of {', '.join(EXTRAS)}: {ill} findings, {unknown} not audited")
    return 1 if found.findings or found.unknown else 0


if __name__ == "__main__":
    sys.exit(main())
