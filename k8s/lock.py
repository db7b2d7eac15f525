"""Pin what the images are made of: each package with its version and the hash of its wheel.

    python k8s/lock.py          # writes k8s/requirements-*.txt; or: make lock

For Python 3.11 on x86_64 Linux, which is what the Containerfile has: run it with that Python. Whatever pip finds is
what is pinned, wherever it was told to look; an image then takes nothing else, for the hashes have to be right.
"""

import json
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
PROJECT = FOLDER.parent / "pyproject.toml"
PYTHON = (3, 11)
HEAD = """# Made by `make lock`; not to be edited. {what}
# For Python 3.11 on x86_64 Linux.
"""


def wanted() -> dict[str, tuple[str, list[str]]]:
    """Give the files to write: what each is for, and what it has to satisfy."""
    described = tomllib.loads(PROJECT.read_text(encoding="utf-8"))
    project = described["project"]
    base, extras = project["dependencies"], project["optional-dependencies"]
    return {
        "build": ("What makes the wheel.", [*described["build-system"]["requires"], "wheel"]),
        "services": ("What the services are made of, with the extra `tracing`.", [*base, *extras["tracing"]]),
        "workers": ("What workers with the extra `tpc` are made of.", [*base, *extras["tpc"]]),
    }


def resolved(requirements: Sequence[str]) -> list[str]:
    """Give one line a package. Raises `CalledProcessError` where pip finds no solution."""
    options = ["--dry-run", "--ignore-installed", "--only-binary=:all:", "--quiet", "--report", "-"]
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", *options, *requirements]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    return sorted(map(line, json.loads(done.stdout)["install"]), key=str.lower)


def line(package: dict[str, dict[str, dict[str, dict[str, str]]]]) -> str:
    """Write one package of pip's report down as a requirement."""
    about, hashes = package["metadata"], package["download_info"]["archive_info"]["hashes"]
    return f"{about['name']}=={about['version']} --hash=sha256:{hashes['sha256']}"


def main() -> int:
    """Write all files."""
    if sys.version_info[:2] != PYTHON:
        print("the images have Python 3.11; run this with it: make lock PYTHON=python3.11", file=sys.stderr)
        return 2
    for name, (what, requirements) in wanted().items():
        path = FOLDER / f"requirements-{name}.txt"
        lines = resolved(requirements)
        path.write_text(HEAD.format(what=what) + "".join(f"{each}\n" for each in lines), encoding="utf-8")
        print(f"{path.name}: {len(lines)} packages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
