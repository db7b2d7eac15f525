"""What comes along when headframe is installed, and under which licence: `make licences` writes docs/licences.md."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

TOP = Path(__file__).parents[2]
PAGE = TOP / "docs" / "licences.md"
EXTRAS = {"services": "", "embedded": "embedded", "tpc": "tpc", "tracing": "tracing"}
"""What somebody installs, and the extra that asks for it."""
ALLOWED = re.compile(
    r"Apache|MIT\b|MIT-0|BSD|0BSD|ISC|MPL|Mozilla|PSF|Python Software Foundation|Unlicense|Zlib|CC0|HPND|LLVM",
    re.IGNORECASE,
)
COPYLEFT = {
    "certifi": (
        "MPL 2.0: what is changed in its own files stays under the MPL. It is used unchanged. The same holds for "
        "`tqdm`, which strax brings along."
    ),
    "nestpy": (
        "GPL 3. Only the extra `tpc` brings it, only `consumers/tpc` imports it, and only where NEST yields are asked "
        "for. headframe's Apache 2.0 may be combined with it; **whoever passes on the two together, such as an image "
        "of workers with `tpc`, passes the whole on under GPL 3**. The services do not have it. Running it, also for "
        "a whole collaboration, asks nothing."
    ),
    "psycopg2-binary": (
        "LGPL 3 with exceptions. It is used as a library, unchanged and replaceable (`pip install`), which is what the "
        "LGPL asks for; it lays nothing on headframe or on what an experiment adds."
    ),
}
"""What is more than permissive, and why it may be there."""
HEAD = """# Licences

headframe is under [Apache 2.0](../LICENSE). These packages come along when it is installed; `make licences` writes this
page from what is installed, and a test fails when a package is missing here or has a licence that is neither permissive
nor explained.

"""


class Package(NamedTuple):
    """A package that is installed with headframe."""

    name: str
    licence: str
    wanted_by: tuple[str, ...]


def needed(extra: str) -> set[str]:
    """Give the packages that headframe needs with an extra, directly or by another package."""
    todo, seen = [("headframe", extra)], set[str]()
    while todo:
        name, asked = todo.pop()
        for each in _required(name, asked):
            if (found := canonicalize_name(each.name)) not in seen:
                seen.add(found)
                todo += [(found, more) for more in (each.extras or {""})]
    return seen


def _required(name: str, extra: str) -> Iterator[Requirement]:
    try:
        said = requires(name) or []
    except PackageNotFoundError:
        return
    for line in said:
        wanted = Requirement(line)
        if wanted.marker is None or wanted.marker.evaluate({"extra": extra}):
            yield wanted


@cache
def packages() -> list[Package]:
    """Give the packages with their licences, as they say themselves."""
    words = [sys.executable, "-m", "piplicenses", "--format=json", "--from=mixed"]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=120)
    said = {canonicalize_name(each["Name"]): each["License"] for each in json.loads(done.stdout)}
    wanted = {what: needed(extra) for what, extra in EXTRAS.items()}
    for what in ("embedded", "tpc", "tracing"):
        wanted[what] -= wanted["services"]
    names = sorted(set().union(*wanted.values()) & set(said))
    return [Package(name, said[name], tuple(what for what in wanted if name in wanted[what])) for name in names]


def page(found: list[Package]) -> str:
    """Give the page."""
    rows = [f"| `{each.name}` | {each.licence} | {', '.join(each.wanted_by)} |" for each in found]
    explained = [f"- **`{name}`**: {why}" for name, why in sorted(COPYLEFT.items())]
    parts = [*rows, "", "## More than permissive", "", *explained, ""]
    return HEAD + "\n".join(["| package | licence | comes with |", "| --- | --- | --- |", *parts])


if __name__ == "__main__":
    PAGE.write_text(page(packages()))
