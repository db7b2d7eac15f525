"""The tree of an image without docker: the steps of the Containerfile on a bare Debian; and run as a pod would.

Needs root, debootstrap and a package registry. Each step has mounts of its own, which end with it.
"""

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from .containerfile import Containerfile, Instruction, Stage

TIMEOUT_S = 1500
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENVIRONMENT = {"DEBIAN_FRONTEND": "noninteractive", "HOME": "/root", "LC_ALL": "C.UTF-8", "PATH": PATH}
PASSED_ON = ("PIP_CERT", "PIP_DEFAULT_TIMEOUT", "PIP_INDEX_URL", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY")
"""What this machine says about the way to its registries; a builder would have its own."""
SOMEBODY = 1_234_567
"""A user's number without a name, as OpenShift gives them."""
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


@dataclass(frozen=True)
class Image:
    """What a stage became: a tree, and the variables that it sets."""

    tree: Path
    variables: Mapping[str, str]

    def as_pod(
        self,
        command: Sequence[str],
        mounts: Mapping[str, Path] = MappingProxyType({}),
        written: Mapping[str, Path] = MappingProxyType({}),
    ) -> list[str]:
        """Give the command that runs something as a pod does: any user, of group 0, no rights; all read only but /tmp.

        `mounts` are folders that lie in it, read only, as configuration and secrets do; those of `written` are not.
        """
        tree, lying = self.tree, {**mounts, **written}
        binds = "\n".join(
            f"mkdir -p {tree}{path}; mount --bind {source} {tree}{path}" for path, source in lying.items()
        )
        locks = "\n".join(f"mount -o remount,bind,ro {tree}{path}" for path in mounts)
        given = shlex.join(f"{name}={value}" for name, value in {"PATH": PATH, **self.variables}.items())
        script = f"""set -e
            mount --bind {tree} {tree}
            {binds}
            {locks}
            mount -t tmpfs -o mode=1777 tmpfs {tree}/tmp; mount --rbind /dev {tree}/dev; mount -t proc proc {tree}/proc
            mount -o remount,bind,ro {tree}
            exec chroot {tree} /usr/bin/env --ignore-environment {given} \
                setpriv --reuid={SOMEBODY} --regid=0 --clear-groups --no-new-privs --bounding-set=-all \
                --inh-caps=-all --pdeathsig=KILL -- "$@" """
        return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script, "pod", *command]


class Built:
    """The trees of stages, each a folder."""

    def __init__(self, file: Containerfile, context: Path, folder: Path) -> None:
        self.file, self.context, self.folder = file, context, folder
        self.environment: dict[str, dict[str, str]] = {}
        self.trees: dict[str, Path] = {}

    def build(self, name: str) -> Path:
        """Build a stage, with those that it needs. Raises `CalledProcessError` with what a step printed."""
        if name in self.trees:
            return self.trees[name]
        tree, stage = self.folder / name, self.file.stages[name]
        below = self.build(stage.base) if stage.base in self.file.stages else self._bare(stage.base)
        subprocess.run(["cp", "-a", "--reflink=auto", below, tree], check=True)
        self.environment[name] = dict(self.environment.get(stage.base, {}))
        where = _workdir(self.file.lineage(stage.base)) if stage.base in self.file.stages else "/"
        for step in stage.instructions:
            where = self._step(stage, tree, where, step)
        self.trees[name] = tree
        return tree

    def image(self, name: str) -> Image:
        """Build a stage that is an image."""
        return Image(self.build(name), self.environment[name])

    def _step(self, stage: Stage, tree: Path, where: str, step: Instruction) -> str:
        if step.word == "RUN":
            inside(tree, ["/bin/sh", "-c", f"cd {shlex.quote(where)} && {step.rest}"], self.environment[stage.name])
        elif step.word == "COPY":
            self._copy(tree, where, step.words())
        elif step.word == "ENV":
            self.environment[stage.name].update(word.split("=", 1) for word in step.words())
        elif step.word == "WORKDIR":
            tree.joinpath(step.rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
            return step.rest
        return where

    def _copy(self, tree: Path, where: str, words: list[str]) -> None:
        source = self.context
        if words[0].startswith("--from="):
            source = self.build(words.pop(0).removeprefix("--from="))
        *names, target = words
        goal = tree / str(Path(where, target)).lstrip("/")
        for name in names:
            _copied(source / name.lstrip("/"), goal, into=target.endswith("/"))

    def _bare(self, base: str) -> Path:
        """Give a bare Debian of the release that the base's tag is of; made once a machine."""
        if not base.startswith("debian:12"):
            raise ValueError(f"{base}: the tests know Debian 12 only")
        kept = Path(os.environ.get("HEADFRAME_TEST_DEBIAN", "/var/tmp/headframe-debian-12"))
        if not kept.joinpath("etc/debian_version").exists():
            making = kept.with_name(f"{kept.name}.{os.getpid()}")
            subprocess.run(["debootstrap", "--variant=minbase", "bookworm", making], check=True, capture_output=True)
            making.rename(kept)
        return kept


def inside(tree: Path, command: Sequence[str], environment: dict[str, str]) -> None:
    """Run a step of the build as root in a tree. Raises `CalledProcessError`."""
    variables = {**ENVIRONMENT, **environment}
    variables |= {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    script = f"""set -e
        mount --bind {tree} {tree}; mount -t proc proc {tree}/proc; mount --rbind /dev {tree}/dev
        touch {tree}/etc/resolv.conf; mount --bind /etc/resolv.conf {tree}/etc/resolv.conf
        if [ -e {tree}{CERTIFICATES} ]; then mount --bind {CERTIFICATES} {tree}{CERTIFICATES}; fi
        exec chroot {tree} /usr/bin/env --ignore-environment "$@" """
    given = [f"{name}={value}" for name, value in variables.items()]
    unshared = ["unshare", "--mount", "--pid", "--fork", "sh", "-c", script, "step", *given, *command]
    done = subprocess.run(unshared, check=False, capture_output=True, text=True, timeout=TIMEOUT_S)
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, command, done.stdout[-3000:], done.stderr[-3000:])


def _workdir(stages: Sequence[Stage]) -> str:
    found = [step.rest for stage in stages for step in stage.all("WORKDIR")]
    return found[-1] if found else "/"


def _copied(source: Path, goal: Path, *, into: bool) -> None:
    if source.is_dir():
        shutil.copytree(source, goal, symlinks=True, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        return
    target = goal / source.name if into else goal
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)
