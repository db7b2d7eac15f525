"""A command step: any program, under a contract of files.

The program is started in the attempt's folder with the path of `job.json` as its last argument (and in
`HEADFRAME_JOB`). The job names run, type, inputs with their paths, conditions, seed, threads, options and the
folder. The program writes its products into the folder and, last, `result.json`:

    {"products": [{"name": "a.root", "type": "reconstructed", "metadata": {}}],
     "events": {"first": 1, "last": 9, "count": 9}, "catalog": {}, "error": {"code": "...", "reason": "..."}}

Exit code 0 is done; another is a fail unless the configuration says interrupt or skip. A product that is named
and not there is a fail. What the program prints is the attempt's log.
"""

import os
import sys
from pathlib import Path
from typing import Any

import msgspec

from . import programs
from .api import (
    Events,
    InfrastructureError,
    Job,
    Location,
    PayloadError,
    Product,
    Result,
    SkipItem,
    step_options,
)
from .files import checksums, finish, storage_errors, sync_folder

IMAGES = {"apptainer": ("apptainer", "exec"), "shifter": ("shifter",)}


class Program(msgspec.Struct, frozen=True):
    """A `[command.<name>]` of the worker's configuration."""

    argv: tuple[str, ...]
    setup: str | None = None
    image: str | None = None
    exit_codes: dict[int, str] = {}
    environment: dict[str, str] = {}


class Named(msgspec.Struct, frozen=True):
    """A product as a program names it, relative to its folder."""

    name: str
    type: str = "product"
    events: Events | None = None
    software: str = ""
    configuration: str = ""
    metadata: dict[str, Any] = {}


class Why(msgspec.Struct, frozen=True):
    """A program's own reason for a non-zero exit code."""

    code: str = ""
    reason: str = ""
    permanent: bool = False


class Written(msgspec.Struct, frozen=True):
    """The contents of `result.json`."""

    products: tuple[Named, ...] = ()
    events: Events | None = None
    catalog: dict[str, Any] | None = None
    error: Why | None = None


def run(job: Job) -> Result:
    """Run the program and read what it says it made."""
    program = step_options(job.private["command"], Program)
    folder = Path(job.folder)
    with storage_errors(f"writing job.json of {job.name}"):
        job_file = folder / "job.json"
        job_file.write_bytes(msgspec.json.format(msgspec.json.encode(_described(job)), indent=1))
    code = _start(program, job, job_file)
    written = _written(folder / "result.json", job)
    if code != 0:
        _refuse(program, job, code, written.error)
    return _result(job, written)


def _described(job: Job) -> dict[str, Any]:
    described: dict[str, Any] = msgspec.to_builtins(job)
    described.pop("private")
    return described


def _start(program: Program, job: Job, job_file: Path) -> int:
    environment = {
        **os.environ,
        **program.environment,
        "HEADFRAME_JOB": str(job_file),
        "OMP_NUM_THREADS": str(job.threads),
    }
    try:
        return programs.run(_argv(program, job_file), job.folder, environment)
    except (FileNotFoundError, PermissionError) as error:
        raise InfrastructureError("no-program", f"step {job.step}: {error.filename} cannot be started here") from error


def _argv(program: Program, job_file: Path) -> list[str]:
    argv = [sys.executable if word == "{python}" else word for word in program.argv] + [str(job_file)]
    if program.image is not None:
        kind, _, name = program.image.partition(":")
        prefix = IMAGES[kind]
        argv = [*prefix, *(["--image=" + name] if kind == "shifter" else [name]), *argv]
    if program.setup is not None:
        argv = ["/bin/sh", "-c", '. "$0" && exec "$@"', program.setup, *argv]
    return argv


def _written(path: Path, job: Job) -> Written:
    with storage_errors(f"reading result.json of {job.name}"):
        text = path.read_bytes() if path.exists() else b"{}"
    try:
        return msgspec.json.decode(text, type=Written)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PayloadError("bad-result", f"{job.name}: result.json of step {job.step}: {error}") from error


def _refuse(program: Program, job: Job, code: int, error: Why | None) -> None:
    why = error or Why()
    cause = f"exit code {code}" if code > 0 else f"signal {-code}"
    reason = why.reason or f"step {job.step} of {job.name} ended with {cause}; its last words are in its log"
    meaning = program.exit_codes.get(code, "fail")
    name = why.code or f"exit-{code}"
    if meaning == "skip":
        raise SkipItem(name, reason)
    if meaning == "interrupt":
        raise InfrastructureError(name, reason)
    raise PayloadError(name, reason, permanent=why.permanent)


def _result(job: Job, written: Written) -> Result:
    if job.private.get("makes") == "product" and not written.products:
        raise PayloadError("no-product", f"step {job.step} of {job.name} ended well but named no product")
    products = tuple(_product(job, named) for named in written.products)
    return Result(products=products, events=written.events, catalog=written.catalog)


def _product(job: Job, named: Named) -> Product:
    if "\0" in named.name:
        raise PayloadError("bad-result", f"step {job.step} of {job.name} named a product with a NUL", permanent=True)
    folder = Path(job.folder).resolve()
    name = os.path.relpath(Path(job.folder) / named.name, job.folder)  # of a.root, ./a.root, or the whole path
    missing = f"step {job.step} of {job.name} named {named.name}, which is not there"
    with storage_errors(f"reading product {name}"):
        path = (folder / name).resolve()
        if name.startswith("..") or not path.is_relative_to(folder) or not path.is_file():
            raise PayloadError("product-missing", missing)
        size, sums = checksums(path)
        with path.open("rb") as written:
            finish(written.fileno(), job.sites[job.site])
        sync_folder(path.parent)
    return Product(
        name=name,
        type=named.type,
        location=Location(site=job.site, path=f"{job.folder_path}/{name}"),
        size=size,
        checksums=sums,
        events=named.events or None,
        software=named.software,
        configuration=named.configuration,
        metadata=named.metadata,
    )
