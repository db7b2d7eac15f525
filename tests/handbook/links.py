"""The links of Markdown files, and the anchors that GitHub would give their headings."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

TOP = Path(__file__).parents[2]
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"#{1,6} +(.+?) *#*$")
FENCE = re.compile(r"\s*(```|~~~)")
CODE = re.compile(r"`[^`]*`")
LEFT_OUT = {".venv", "build", "node_modules", ".git", "demo-data"}


def documents() -> list[Path]:
    """Give every Markdown file of the checkout."""
    found = TOP.rglob("*.md")
    return sorted(path for path in found if not LEFT_OUT & set(path.relative_to(TOP).parts) and not path.is_symlink())


def prose(path: Path) -> Iterator[str]:
    """Give the lines outside of code."""
    inside = False
    for line in path.read_text().splitlines():
        if FENCE.match(line):
            inside = not inside
        elif not inside:
            yield line


def links(path: Path) -> Iterator[str]:
    """Give where a file leads."""
    for line in prose(path):
        yield from LINK.findall(CODE.sub("``", line))


def anchors(path: Path) -> set[str]:
    """Give the anchors of a file's headings."""
    seen = Counter[str]()
    found = set()
    for line in prose(path):
        if heading := HEADING.match(line):
            slug = _slug(heading[1])
            found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
            seen[slug] += 1
    return found


def _slug(heading: str) -> str:
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def broken(path: Path) -> Iterator[str]:
    """Name the links of a file that lead nowhere."""
    for link in links(path):
        if "://" in link or link.startswith("mailto:"):
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        if not target.exists():
            yield f"{path.relative_to(TOP)}: {link}: there is no such file"
        elif anchor and target.suffix == ".md" and anchor not in anchors(target):
            yield f"{path.relative_to(TOP)}: {link}: there is no such heading"
