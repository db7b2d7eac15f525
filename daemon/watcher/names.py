"""What a name means in an inbox: a raw file of which run, sequence and type, or something else."""

import re
from fnmatch import translate
from typing import Literal

from ...statemachine.records import Record
from ..config.model import Inbox
from .text import is_utf8

LARGEST_SEQUENCE = 2**31 - 1
DIGITS = 20
"""More digits than any number that fits; longer ones are not converted at all."""


class Name(Record):
    """What a name means. A `bad` one has the `code` and `sentence` of its trouble.

    `run` and `sequence` are missing where the pattern leaves them to the manifest. `marks` is the name of the
    file beside it that a semaphore stands for; it ends in `*` where only the stem is known.
    """

    role: Literal["file", "ignored", "semaphore", "manifest", "bad"]
    run: int | None = None
    sequence: int | None = None
    kind: str | None = None
    marks: str = ""
    code: str = ""
    sentence: str = ""


IGNORED = Name(role="ignored")


class Names:
    """The names of one inbox. Paths are relative to the inbox, with forward slashes."""

    def __init__(self, inbox: Inbox) -> None:
        self._pattern = re.compile(inbox.pattern)
        self._manifest = re.compile(inbox.manifest) if inbox.manifest else None
        self._semaphore = inbox.semaphore if inbox.arrival == "semaphore" else None
        self._ignore = re.compile("|".join(map(translate, inbox.ignore))) if inbox.ignore else None
        self._inbox = inbox
        head, _, tail = inbox.semaphore.partition("{stem}" if "{stem}" in inbox.semaphore else "{name}")
        self._marker = re.compile(f"{re.escape(head)}(.+){re.escape(tail)}", re.DOTALL)

    def ignored(self, path: str) -> bool:
        """Say whether an `ignore` pattern matches the path or one of its parts."""
        ignore = self._ignore
        return ignore is not None and any(ignore.match(part) for part in (path, *path.split("/")))

    def read(self, path: str) -> Name:
        """Say what a path means."""
        if path.startswith("/") or ".." in path.split("/"):
            return _bad("outside-inbox", "its path leads out of the inbox")
        if self.ignored(path):
            return IGNORED
        return self._matched(path) if is_utf8(path) else _bad("name-not-utf8", "its name is not valid UTF-8")

    def _matched(self, path: str) -> Name:
        if self._manifest and (found := self._manifest.fullmatch(path)):
            return self._numbers(found, "manifest")
        if self._semaphore and (name := self._marked(path)):
            return Name(role="semaphore", marks=name)
        if found := self._pattern.fullmatch(path):
            return self._numbers(found, "file")
        return _bad(
            "name-unmatched", f"its name does not match {self._inbox.pattern}; rename it, or have the inbox ignore it"
        )

    def is_manifest(self, path: str) -> bool:
        """Say whether a path is that of a manifest."""
        return self._manifest is not None and self._manifest.fullmatch(path) is not None and not self.ignored(path)

    def semaphore(self, path: str) -> str:
        """Give the path of the semaphore that stands for a file."""
        folder, slash, name = path.rpartition("/")
        return folder + slash + self._inbox.semaphore.format(name=name, stem=name.partition(".")[0])

    def _marked(self, path: str) -> str:
        folder, slash, name = path.rpartition("/")
        found = self._marker.fullmatch(name)
        if not found:
            return ""
        return f"{folder}{slash}{found[1]}{'.*' if '{stem}' in self._inbox.semaphore else ''}"

    def _numbers(self, found: re.Match[str], role: Literal["file", "manifest"]) -> Name:
        groups = found.groupdict()
        numbers: dict[str, int] = {}
        limits = {"run": self._inbox.max_run, "sequence": LARGEST_SEQUENCE}
        for what, largest in limits.items():
            text = groups.get(what)
            if text is None:
                continue
            if not (text.isascii() and text.isdigit()):
                return _bad("name-unmatched", f"its {what} is not a number")
            if len(text.lstrip("0")) > DIGITS or int(text) > largest:
                code = f"{what}-number-out-of-range" if what == "run" else "sequence-out-of-range"
                return _bad(code, f"its {what} number {text[:40]} is larger than {largest}")
            numbers[what] = int(text)
        kind = groups.get("kind") or self._inbox.kind
        return Name(role=role, run=numbers.get("run"), sequence=numbers.get("sequence"), kind=kind)


def _bad(code: str, sentence: str) -> Name:
    return Name(role="bad", code=code, sentence=sentence)
