"""One attempt: its folder, its job, and the outcome that its answer becomes."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from ...statemachine.naming import attempt_folder, log_path
from ...statemachine.records import Content, Location, Outcome, Usage
from ..messages import Work, WorkItem
from ..steps.api import InfrastructureError, Input, Job, PayloadError, Site
from ..steps.files import away, make_folder, storage_errors
from .child import Answer, Request
from .settings import WorkerSettings
from .storable import LONGEST_CODE, one_line

TRIGGERS = {"succeed": "succeed", "skip": "succeed", "fail": "fail", "interrupt": "interrupt"}

MOST_BESIDE = 100


class Attempt:
    """One item of a parcel, worked on in one epoch by one owner."""

    def __init__(self, work: Work, item: WorkItem, owner: str, settings: WorkerSettings) -> None:
        self.work, self.item, self.settings = work, item, settings
        self.folder = attempt_folder(item.folder, item.epoch, owner)
        self.log = Location(site=item.folder.site, path=log_path(item.folder.path, item.epoch, owner))
        self.started_at: datetime | None = None
        self.made = False

    @property
    def command(self) -> str | None:
        """Give the name of the command that the step runs, none for an entry point."""
        return self.work.use.removeprefix("command:") if self.work.use.startswith("command:") else None

    @property
    def said(self) -> dict[str, object]:
        """Give what each line of the log says of it (docs/logging.md)."""
        work, item = self.work, self.item
        attempt = {"attempt": f"{item.item}/{item.epoch}", "step": work.step, "lane": work.lane}
        return {"trace": item.trace, "run": item.run, "file": item.name, **attempt}

    def prepare(self) -> Request:
        """Make the attempt's folder and describe the job. Raises `PayloadError`, `InfrastructureError`."""
        self.started_at = datetime.now(UTC)
        self._check_memory()
        site = self._site(self.folder.site)
        if site.name in {content.location.site for content in self.item.inputs} and (why := away(site)):
            raise InfrastructureError("site-away", why)  # else a folder would be made where the site is mounted later
        with storage_errors(f"preparing step {self.work.step} of {self.item.name}"):
            make_folder(site, str(Path(self.log.path).parent))
            if self.work.makes != "nothing" or self.command is not None:
                self._own_folder(site)
        use = "command" if self.command is not None else self.work.use
        return Request(
            use=use, job=self._job(site), log=str(site.open_path(self.log.path)), quiet=self.work.makes == "nothing"
        )

    def _check_memory(self) -> None:
        """Refuse for good what may use more memory than this worker's share: others of the pilot have no more."""
        wanted, share = self.item.resources.memory, self.settings.memory
        if not share or wanted <= share:
            return
        name, large = self.settings.pilot_name, self.settings.large
        sentence = (
            f"step {self.work.step} of {self.item.name} may use {wanted / 2**20:.0f} MiB of memory, but each worker of "
            f"pilot {name} has {share / 2**20:.0f} MiB; raise memory{' or large' if large else ''} of [pilot.{name}], "
            "or lower its workers, then requeue it"
        )
        raise PayloadError("too-little-memory", sentence, permanent=True)

    def _own_folder(self, site: Site) -> None:
        """Make a folder in which nothing lies yet: a hint can reach the same worker twice in one epoch.

        What it made the first time may have been accepted; it must neither be written over nor removed.
        """
        first, tries = self.folder.path, 1
        while site.open_path(self.folder.path).exists():
            tries += 1
            self.folder = Location(site=site.name, path=f"{first}.{tries}")
        make_folder(site, self.folder.path)
        self.made = True

    def outcome(self, answer: Answer) -> Outcome:
        """Say what an answer means for the item; clean up what will not be accepted."""
        if answer.kind in ("fail", "interrupt"):
            self.remove()
        result = answer.result
        outcome = Outcome(
            item=self.item.item,
            epoch=self.item.epoch,
            trigger=TRIGGERS[answer.kind],  # type: ignore[arg-type]
            step=self.work.step,
            reason_code=one_line(answer.code, LONGEST_CODE),
            reason=one_line(answer.reason),
            permanent=answer.permanent,
            skipped=answer.kind == "skip",
            usage=msgspec.structs.replace(answer.usage, queue_s=self._queue_s()),
            log=self._kept_log(),
            folder=self.folder,
            beside=self._beside() if TRIGGERS[answer.kind] == "succeed" else (),
            started_at=self.started_at,
            trace=self.item.trace,
        )
        if result is None:
            return outcome
        return msgspec.structs.replace(
            outcome,
            products=result.products,
            copies=result.copies,
            salt=result.salt,
            raw=result.raw,
            events=result.events,
            catalog=result.catalog,
        )

    def started(self) -> Outcome:
        """Say that the attempt has begun."""
        return Outcome(
            item=self.item.item,
            epoch=self.item.epoch,
            trigger="start",
            step=self.work.step,
            log=self.log,
            folder=self.folder,
            usage=Usage(queue_s=self._queue_s()),
            started_at=self.started_at or datetime.now(UTC),
            trace=self.item.trace,
        )

    def broken(self, reason: str) -> Outcome:
        """Say that the worker itself could not cope with the item. Touches nothing."""
        return msgspec.structs.replace(
            self.started(), trigger="fail", reason_code="worker-error", reason=reason, log=None, folder=None
        )

    def given_back(self, code: str, reason: str, used: Usage | None = None) -> Outcome:
        """Say that the worker hands the item back, undone, for no fault of the item's; and what it has used for it."""
        self.remove()
        usage = msgspec.structs.replace(used or Usage(), queue_s=self._queue_s())
        said = self.started()
        return msgspec.structs.replace(said, trigger="interrupt", reason_code=code, reason=reason, usage=usage)

    def remove(self) -> None:
        """Remove the attempt's folder, at every site to which it may have copied; its log stays.

        What cannot be removed now is settled later.
        """
        if not self.made:
            return
        for name in self.settings.sites if self.work.makes == "copy" else (self.folder.site,):
            shutil.rmtree(self.settings.sites[name].open_path(self.folder.path), ignore_errors=True)

    def _queue_s(self) -> float:
        """Give how long the item had waited, by two clocks: the database's when it became ready, and this host's."""
        ready_at, began = self.item.ready_at, self.started_at
        return 0.0 if ready_at is None or began is None else max(0.0, (began - ready_at).total_seconds())

    def _kept_log(self) -> Location | None:
        """Give the log where there is one; a site that cannot be asked just now may have it."""
        site = self.settings.sites.get(self.log.site)
        try:
            return self.log if site is not None and site.open_path(self.log.path).exists() else None
        except OSError:
            return self.log

    def _beside(self) -> tuple[str, ...]:
        """Name the folders of other attempts: somebody who died before his first report may have left them."""
        if not self.made:
            return ()
        own = self.settings.sites[self.folder.site].open_path(self.folder.path)
        try:
            return tuple(sorted(entry.name for entry in own.parent.iterdir() if entry.name != own.name)[:MOST_BESIDE])
        except OSError:
            return ()

    def _site(self, name: str) -> Site:
        if name not in self.settings.sites:
            raise InfrastructureError("unknown-site", f"this worker's configuration has no site {name or '(none)'}")
        return self.settings.sites[name]

    def _job(self, site: Site) -> Job:
        work, item = self.work, self.item
        return Job(
            item=item.item,
            epoch=item.epoch,
            step=work.step,
            scope=work.scope,
            campaign=work.campaign,
            run=item.run,
            kind=item.kind,
            name=item.name,
            sequence=item.sequence,
            inputs=tuple(self._input(content) for content in item.inputs),
            folder=str(site.open_path(self.folder.path)),
            site=site.name,
            folder_path=self.folder.path,
            sites=self.settings.sites,
            options=work.options,
            private=self._private(),
            conditions=item.conditions,
            seed=item.seed,
            threads=self.settings.threads,
            resources=item.resources,
            metadata=item.metadata,
            trace=item.trace,
        )

    def _input(self, content: Content) -> Input:
        site = self._site(content.location.site)
        return Input(content=content, path=str(site.open_path(content.location.path)))

    def _private(self) -> dict[str, object]:
        if self.command is None:
            return self.settings.private.get(self.work.step, {})
        if self.command not in self.settings.commands:
            sentence = f"this worker's configuration has no [command.{self.command}]"
            raise PayloadError("no-such-command", sentence, permanent=True)
        spec = self.settings.commands[self.command]
        return {"command": msgspec.to_builtins(spec), "makes": self.work.makes}
