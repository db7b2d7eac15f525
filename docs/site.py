"""Hooks of mkdocs: pages that stand outside of docs/, diagrams without a foreign server, lists as GitHub reads them."""

import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

TOP = Path(__file__).parent.parent
OUTSIDE = ("CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "SECURITY.md")
FOLDERS = ("examples", "k8s")
"""What pages link to that is kept where people look for it in a checkout."""
MERMAID = TOP / "build" / "mermaid" / "package" / "dist" / "mermaid.min.js"
"""The diagrams' script, which `make docs` takes from npm. Without it the site shows their source instead."""
LIST = re.compile(r"\s*([-*]|\d+\.) ")
FENCE = re.compile(r"\s*```")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Have diagrams drawn by a script of our own site."""
    if MERMAID.is_file():
        config.mdx_configs["pymdownx.superfences"] = {
            "custom_fences": [{"name": "mermaid", "class": "mermaid", "format": _diagram}]
        }
        config.extra_javascript.append("mermaid.min.js")
    return config


def _diagram(*fence: Any, **more: Any) -> str:
    """Put a diagram into a box that scrolls: as narrow as a phone nobody could read it."""
    from pymdownx.superfences import fence_code_format

    return f'<div class="diagram">{fence_code_format(*fence, **more)}</div>'


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what stands outside of docs/."""
    found = [path for folder in FOLDERS for path in (TOP / folder).rglob("*") if path.is_file()]
    for path in sorted([*(TOP / name for name in OUTSIDE), *found]):
        if path.suffix != ".pyc":
            files.append(File.generated(config, path.relative_to(TOP).as_posix(), abs_src_path=str(path)))
    if MERMAID.is_file():
        files.append(File.generated(config, "mermaid.min.js", abs_src_path=str(MERMAID)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Lead links to where the site has the page, and let a list begin without an empty line before it."""
    up = "../" * page.file.src_uri.count("/")
    if page.file.src_uri in OUTSIDE or page.file.src_uri.startswith(FOLDERS):
        markdown = re.sub(rf"\]\({re.escape(up)}docs/", f"]({up}", markdown)
    else:
        markdown = markdown.replace("](../", "](")
    return "\n".join(_spaced(markdown.splitlines()))


def _spaced(lines: list[str]) -> list[str]:
    """Put an empty line before each list that follows a line of text; Python-Markdown wants one."""
    spaced: list[str] = []
    inside = False
    for line in lines:
        inside ^= bool(FENCE.match(line))
        before = spaced[-1] if spaced else ""
        if not inside and LIST.match(line) and before.strip() and not _of_a_list(before):
            spaced.append("")
        spaced.append(line)
    return spaced


def _of_a_list(line: str) -> bool:
    """Say whether a line is one of a list, or goes on with an entry of it."""
    return bool(LIST.match(line)) or line.startswith("  ")
