"""No link of any document leads nowhere, as GitHub shows them and as the site does."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .links import TOP, anchors, broken, documents

FOREIGN = re.compile(r"<(?:script|img|iframe|link)[^>]+(?:src|href)=\"((?:https?:)?//[^\"]+)\"")


def test_every_link_between_documents_leads_to_a_file_and_a_heading() -> None:
    found = documents()
    assert TOP / "README.md" in found
    assert TOP / "examples/scikit-hep/README.md" in found
    assert [each for path in found for each in broken(path)] == []


def test_a_link_to_nowhere_is_found(tmp_path: Path) -> None:
    page = TOP / "docs" / "no-such-page.md"
    assert anchors(TOP / "docs/operations.md") >= {"rabbitmq", "dead-letters", "when"}
    try:
        page.write_text("[a](gone.md) [b](operations.md#gone) `[c](gone.md)` [d](operations.md#when)\n")
        assert [line.partition(": ")[2].partition(":")[0] for line in broken(page)] == ["gone.md", "operations.md#gone"]
    finally:
        page.unlink()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site as `make docs` does."""
    folder = tmp_path_factory.mktemp("site")
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    env = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(words, cwd=TOP, capture_output=True, text=True, env=env, check=False, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_the_site_is_built_without_a_warning_and_has_every_page_in_its_menu(site: Path) -> None:
    menu = (site / "index.html").read_text()
    pages = [path.name for path in (TOP / "docs").glob("*.md") if path.name != "index.md"]
    assert [name for name in pages if name.replace(".md", ".html") not in menu] == []


def test_nothing_in_the_site_is_loaded_from_elsewhere(site: Path) -> None:
    own = "https://squidfunk.github.io"  # a link in the footer that nobody's browser follows by itself
    found = {address for page in site.rglob("*.html") for address in FOREIGN.findall(page.read_text())}
    assert {address for address in found if not address.startswith(own)} == set()
