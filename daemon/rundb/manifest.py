"""Runs from the manifests that a detector leaves in the inboxes."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from ...statemachine.records import Record, RunInfo, Trouble
from ..config.errors import ConfigError, suggest
from ..watcher.look import Facts, Refused, look
from ..watcher.names import Names
from ..watcher.text import printable
from ..watcher.walk import walk
from .announced import LARGEST, ManifestError, info, parse
from .base import InboxFolder, Setting, key, options


class Options(Record):
    """`inboxes` are those to look into; none means all that have a `manifest` pattern."""

    inboxes: tuple[str, ...] = ()


class ManifestRunDB:
    """Reads each manifest once, and again when it has changed. Keeps what the manifests there now say."""

    def __init__(self, setting: Setting) -> None:
        self._name = setting.name
        chosen = options(setting, Options).inboxes
        with_manifest = {name: one for name, one in setting.inboxes.items() if one.inbox.manifest}
        where = f"{key(setting)}.inboxes"
        for name in chosen:
            if name not in with_manifest:
                what = f'there is no inbox "{name}" with a manifest pattern'
                raise ConfigError([f"{where}: {what}{suggest(name, with_manifest)}"])
        if not with_manifest:
            raise ConfigError([f"{where}: no inbox has a manifest pattern (inbox.<name>.manifest)"])
        self._inboxes = [one for name, one in with_manifest.items() if not chosen or name in chosen]
        self._read: dict[Path, tuple[Facts, RunInfo | Trouble, bool]] = {}

    def poll(self) -> Iterator[RunInfo | Trouble]:
        """Give a run a manifest. Raises `OSError`."""
        present: dict[Path, tuple[Facts, RunInfo | Trouble, bool]] = {}
        for one in self._inboxes:
            names = Names(one.inbox)
            root = one.folder.resolve()
            for path, found in walk(str(root), names):
                if isinstance(found, Refused) or not names.is_manifest(path):
                    continue
                facts = look(str(root), path, follow=one.inbox.follow_symlinks, entry=found)
                if isinstance(facts, Facts):
                    present[root / path] = self._get(one, names, root / path, path, facts)
        self._read = present
        for _, said, seen_twice in present.values():
            if isinstance(said, RunInfo) or seen_twice:
                yield said

    def _get(
        self, one: InboxFolder, names: Names, full: Path, path: str, facts: Facts
    ) -> tuple[Facts, RunInfo | Trouble, bool]:
        before = self._read.get(full)
        if before is not None and before[0] == facts:
            # What is wrong is said at the second look only: it may be in the middle of being written.
            # Where files arrive by manifest, the watcher says it.
            return facts, before[1], one.inbox.arrival != "manifest"
        return facts, self._parse(one, names, full, path, facts), False

    def _parse(self, one: InboxFolder, names: Names, full: Path, path: str, facts: Facts) -> RunInfo | Trouble:
        name = names.read(path)
        try:
            if name.role == "bad":
                raise ManifestError(name.code, name.sentence)
            if facts.size > LARGEST:
                raise ManifestError("manifest-invalid", f"its {facts.size} bytes are more than {LARGEST}")
            manifest = parse(full.read_bytes(), name.run, one.inbox.max_run)
        except ManifestError as error:
            return self._trouble(error.code, error.sentence, full, name.run)
        except OSError as error:
            return self._trouble("unreadable", f"the manifest cannot be read: {error.strerror}", full, name.run)
        found = info(manifest, self._name)
        return msgspec.structs.replace(found, kind=found.kind or name.kind)

    def _trouble(self, code: str, sentence: str, full: Path, run: int | None) -> Trouble:
        """Say what is wrong with a manifest, of the run that its name says: there one asks why."""
        return Trouble(code=code, sentence=sentence, subject=printable(str(full)), run=run, source=self._name)
