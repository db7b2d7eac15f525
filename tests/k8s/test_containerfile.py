"""What the images are made of: pinned, by number nobody in particular, nothing fetched from elsewhere, no secret."""

import re
import tomllib
from collections.abc import Iterator

import pytest

from headframe import __version__

from .containerfile import Containerfile, read
from .manifests import K8S, ROOT

LOCKS = ("build", "services", "workers")
PINNED = re.compile(r"[\w.-]+==[\w.+!]+ --hash=sha256:[0-9a-f]{64}")
SECRET = re.compile(r"(?i)(password|secret|token|private)\S*\s*=")
GOOD = (K8S / "Containerfile").read_text(encoding="utf-8")
WRONG = {
    "latest": ("ARG BASE=debian:12.11-slim", "ARG BASE=debian:latest"),
    "no version": ("ARG BASE=debian:12.11-slim", "ARG BASE=debian"),
    "root": ("USER 10001:0", "USER root"),
    "a name": ("USER 10001:0", "USER headframe:0"),
    "another group": ("USER 10001:0", "USER 10001:10001"),
    "from elsewhere": ("COPY src src", "ADD https://example.org/src.tar /src"),
    "everything": ("COPY src src", "COPY . ."),
    "any package": ("--require-hashes -r k8s/requirements-services.txt", "-r k8s/requirements-services.txt"),
    "a secret": ("ENV PYTHONDONTWRITEBYTECODE=1", "ENV PIP_PASSWORD=x PYTHONDONTWRITEBYTECODE=1"),
    "a health check": ("HEALTHCHECK NONE", "HEALTHCHECK CMD headframe --version"),
    "a shell": ('ENTRYPOINT ["headframe"]', "ENTRYPOINT headframe"),
}


def faults(file: Containerfile) -> Iterator[str]:
    """Say what is wrong with a Containerfile."""
    for stage in file.stages.values():
        if stage.base not in file.stages and not re.search(r"(:[\w.-]*\d|@sha256:[0-9a-f]{64})", stage.base):
            yield f"{stage.name}: {stage.base} is not pinned"
        if stage.all("ADD"):
            yield f"{stage.name}: ADD"
        if any(each.words()[0] == "." for each in stage.all("COPY")):
            yield f"{stage.name}: copies everything"
        yield from (f"{stage.name}: {each.rest}" for each in stage.all("RUN") if not _by_hash(each.rest))
        yield from (
            f"{stage.name}: a secret" for each in stage.all("ENV") + stage.all("ARG") if SECRET.search(each.rest)
        )
    for name in ("services", "workers"):
        said = {
            word: [each.rest for each in file.stages[name].all(word)] for word in ("USER", "HEALTHCHECK", "ENTRYPOINT")
        }
        if said != {"USER": ["10001:0"], "HEALTHCHECK": ["NONE"], "ENTRYPOINT": ['["headframe"]']}:
            yield f"{name}: {said}"


def _by_hash(command: str) -> bool:
    installs = re.findall(r"pip install (.*?)(?:&&|$)", command)
    return all("--require-hashes" in each or "--no-deps /dist/" in each for each in installs)


def test_the_containerfile_keeps_to_the_policy() -> None:
    assert list(faults(read(K8S / "Containerfile"))) == []


@pytest.mark.parametrize("what", WRONG)
def test_a_containerfile_that_does_not_is_found(what: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("wrong") / "Containerfile"
    good, wrong = WRONG[what]
    assert good in GOOD
    path.write_text(GOOD.replace(good, wrong))
    assert list(faults(read(path)))


def test_images_have_one_base() -> None:
    bases = {stage.base for stage in read(K8S / "Containerfile").stages.values()}
    assert len([base for base in bases if ":" in base]) == 1
    for line in (K8S / "worker.def").read_text().splitlines():
        if line.startswith("From:"):
            assert line.removeprefix("From: ") in bases


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_is_pinned_by_hash_wherever_it_came_from(name: str) -> None:
    lines = (K8S / f"requirements-{name}.txt").read_text().splitlines()
    packages = [line for line in lines if line and not line.startswith("#")]
    assert packages
    assert all(PINNED.fullmatch(line) for line in packages)
    assert not any("://" in line for line in lines)


def test_the_locks_have_all_that_the_project_needs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for name, extra in (("services", "tracing"), ("workers", "tpc")):
        wanted = [*project["dependencies"], *project["optional-dependencies"][extra]]
        locked = {_plain(line.split("==")[0]) for line in (K8S / f"requirements-{name}.txt").read_text().splitlines()}
        missing = {_plain(re.split(r"[<>=!~;\[ ]", each)[0]) for each in wanted} - locked
        assert not missing, f"run: make lock ({name} lacks {missing})"


def test_what_is_sent_to_a_builder_is_what_is_copied() -> None:
    ignored = (ROOT / ".containerignore").read_text()
    assert ignored == (ROOT / ".dockerignore").read_text()
    sent = {line.removeprefix("!") for line in ignored.splitlines() if line.startswith("!")}
    file = read(K8S / "Containerfile")
    copies = [each.words()[:-1] for stage in file.stages.values() for each in stage.all("COPY")]
    copied = {name for words in copies if not words[0].startswith("--from") for name in words}
    assert {"k8s/requirements-*.txt" if name.startswith("k8s/") else name for name in copied} == sent


def test_the_docs_and_comments_name_this_version() -> None:
    assert f"headframe:{__version__} ." in GOOD


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
