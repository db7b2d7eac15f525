"""A folder of advisories, asked as the service OSV is: for hosts that do not reach it.

The folder is a clone of github.com/pypa/advisory-database.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

START = Version("0")


class Advisories:
    """The advisories below a folder, read when their package is asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "vulns"
        if not self.folder.is_dir():
            raise SystemExit(f"audit: {folder} is no clone of pypa/advisory-database: it has no folder vulns")

    def of(self, name: str, version: str) -> list[dict[str, Any]]:
        """Give the advisories that hold for a version, as OSV would."""
        paths = sorted((self.folder / canonicalize_name(name)).glob("*.yaml"))
        said = [yaml.safe_load(path.read_text()) for path in paths]
        return [_told(each) for each in said if not each.get("withdrawn") and holds(each, name, version)]


def _told(advisory: dict[str, Any]) -> dict[str, Any]:
    """Give what pip-audit reads of it; dates are not among that, and YAML has them in a form that it does not take."""
    return {name: advisory[name] for name in ("id", "summary", "details", "aliases", "affected") if name in advisory}


def holds(advisory: dict[str, Any], name: str, version: str) -> bool:
    """Say whether a version is affected: by the list, or by a range of versions."""
    mine = [each for each in advisory.get("affected", []) if canonicalize_name(each["package"]["name"]) == name]
    for affected in mine:
        if version in affected.get("versions", []):
            return True
        ranges = [each["events"] for each in affected.get("ranges", []) if each["type"] == "ECOSYSTEM"]
        if any(within(events, Version(version)) for events in ranges):
            return True
    return False


def within(events: list[dict[str, Any]], version: Version) -> bool:
    """Say whether a version lies after an `introduced` that no `fixed` ends before it."""
    inside = False
    for begins, at in sorted(((*_event(each),) for each in events), key=lambda pair: pair[1]):
        if at <= version:
            inside = begins
    return inside


def _event(event: dict[str, Any]) -> tuple[bool, Version]:
    """Read an event. What is affected up to a `last_affected` is taken to be so after it, too: better one too many."""
    ((kind, said),) = event.items()
    try:
        return kind in ("introduced", "last_affected"), Version(str(said))
    except InvalidVersion:
        return kind == "introduced", START


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Answer pip-audit's questions from a folder, on loopback; give the address."""
    known = Advisories(folder)

    class Answer(BaseHTTPRequestHandler):
        """Answers one question."""

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            found = known.of(asked["package"]["name"], asked["version"])
            body = json.dumps({"vulns": found} if found else {}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (its name is the base's)
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1/query"
        server.shutdown()
