"""The contract of a step: a function `run(job) -> Result`, found by its entry point in `headframe.steps`.

A step reads its inputs, writes only below `job.folder`, and returns what is to be stored. It never touches the
database, never deletes an input, and may be run again at any time with the same job: the conductor accepts one
result an epoch. It says that something is wrong by raising:

* `PayloadError`: the data or the step is at fault; charged to the retry budget (at once `failed` if permanent).
* `InfrastructureError`: the place is at fault (disk full, file system away); tried again, charged to nobody.
* `SkipItem`: deliberately nothing to do; the state advances and history says `skipped`.

Any other exception counts as a `PayloadError` with the exception's text as its reason, but for an `OSError` that is
the place's fault (`files.INFRASTRUCTURE`). What is returned must be storable: `worker/storable.py` says what is not.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from ...statemachine.records import (
    Checksums,
    Content,
    Copy,
    Events,
    Location,
    Product,
    Record,
    Resources,
    SealedSalt,
)

T = TypeVar("T", bound=msgspec.Struct)


class StepError(Exception):
    """Base of what a step raises. `code` is short and stable, `sentence` is for people."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


class PayloadError(StepError):
    """The data or the step is at fault. `permanent` means that trying again cannot help."""

    def __init__(self, code: str, sentence: str, *, permanent: bool = False) -> None:
        super().__init__(code, sentence)
        self.permanent = permanent


class InfrastructureError(StepError):
    """The machine or the storage is at fault, not the data."""


class SkipItem(StepError):
    """There is deliberately nothing to do for this item."""


class Site(Record):
    """A storage place as this host sees it. Modes are octal numbers such as 0o2775."""

    name: str
    root: str
    dir_mode: int = 0o2775
    file_mode: int = 0o664
    group: str | None = None

    def open_path(self, path: str) -> Path:
        """Give the path on this host of a path relative to the site's root."""
        return Path(self.root) / path


class Input(Record):
    """A content to read and the path under which it opens on this host."""

    content: Content
    path: str


class Job(Record):
    """One attempt at one item, as the step sees it.

    `folder` exists, is empty and belongs to this attempt alone; it lies at site `site`, at `folder_path` below
    the site's root. `options` are the step's own from the pipeline; `private` comes from this host's
    configuration only (keys). `conditions` are pinned to the attempt; a run-scope job's `left_out` there names the
    files it goes without, each with `name`, `sequence`, `fate` (failed, abandoned or missing), `state`, `code` and
    `reason`. `seed` is a 63-bit number, the same for
    every try at this item and step, different for any two items.
    """

    item: int
    epoch: int
    step: str
    scope: str
    campaign: str
    run: int
    kind: str
    name: str
    sequence: int | None
    inputs: tuple[Input, ...]
    folder: str
    site: str
    folder_path: str
    sites: dict[str, Site] = {}
    options: dict[str, Any] = {}
    private: dict[str, Any] = {}
    conditions: dict[str, Any] = {}
    seed: int = 0
    threads: int = 1
    resources: Resources = Resources()
    metadata: dict[str, Any] = {}
    trace: str = ""

    @property
    def input(self) -> Input:
        """The first (usually the only) input. Raises `PayloadError` where there is none."""
        if not self.inputs:
            raise PayloadError("no-input", f"step {self.step} got no input for {self.name}", permanent=True)
        return self.inputs[0]


class Result(Record):
    """What a step hands back: contents written or copied, and facts to store."""

    products: tuple[Product, ...] = ()
    copies: tuple[Copy, ...] = ()
    salt: SealedSalt | None = None
    raw: Checksums | None = None
    events: Events | None = None
    catalog: dict[str, Any] | None = None


Step = Callable[[Job], Result]
"""What an entry point in `headframe.steps` resolves to."""

__all__ = [
    "Checksums",
    "Content",
    "Copy",
    "Events",
    "InfrastructureError",
    "Input",
    "Job",
    "Location",
    "PayloadError",
    "Product",
    "Resources",
    "Result",
    "SealedSalt",
    "Site",
    "SkipItem",
    "Step",
    "StepError",
    "step_options",
]


def step_options(options: Mapping[str, Any], kind: type[T]) -> T:
    """Read a step's options into `kind`; a wrong or missing one is a permanent `PayloadError` that names it."""
    try:
        return msgspec.convert(options, kind, strict=False)
    except msgspec.ValidationError as error:
        raise PayloadError("bad-option", f"step option: {error}", permanent=True) from error
