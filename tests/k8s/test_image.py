"""The image, as far as it goes without docker: its steps on a bare Debian, then run as a pod: any user, read only.

Needs root, and minutes: make container.
"""

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib import request

import pytest
from sqlalchemy import make_url

from headframe import __version__

from ..integration.rabbit_server import RabbitServer
from ..integration.servers import free_ports, temporary, wait_until
from .containerfile import read
from .image import Built, Image
from .lab import Lab
from .manifests import K8S, ROOT

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can change its root folder"),
]


@pytest.fixture(scope="module")
def built() -> Iterator[Built]:
    folder = temporary("image")
    yield Built(read(K8S / "Containerfile"), ROOT, folder)
    subprocess.run(["rm", "-rf", "--one-file-system", folder], check=True)


@pytest.fixture(scope="module")
def services(built: Built) -> Image:
    return built.image("services")


@pytest.fixture(scope="module")
def workers(built: Built) -> Image:
    return built.image("workers")


def run(image: Image, *words: str, mounts: dict[str, Path] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(image.as_pod(words, mounts or {}), check=False, capture_output=True, text=True, timeout=120)


@pytest.fixture
def configured(tmp_path: Path, database_url: str) -> tuple[dict[str, Path], int]:
    """Give what a pod has mounted, the configuration of k8s/base and a secret; and the port of its pages."""
    (port,) = free_ports(1)
    url = make_url(database_url)
    config, secret = tmp_path / "config", tmp_path / "secret"
    for folder, name, content in (
        (
            config,
            "headframe.toml",
            (K8S / "base" / "headframe.toml").read_text().replace("port = 8080", f"port = {port}"),
        ),
        (secret, "password", str(url.password)),
    ):
        folder.mkdir()
        folder.joinpath(name).write_text(content)
        folder.joinpath(name).chmod(0o440)
    return {"/etc/headframe": config, "/run/headframe/database": secret}, port


def environment(database_url: str) -> list[str]:
    address = make_url(database_url)
    url = f"postgresql://{address.username}@{address.host}:{address.port}/{address.database}"
    return [f"HEADFRAME_DATABASE__URL={url}", "HEADFRAME_DATABASE__PASSWORD_FILE=/run/headframe/database/password"]


def test_a_user_without_a_name_runs_it_and_can_write_nowhere(services: Image) -> None:
    assert run(services, "headframe", "--version").stdout.split()[-1] == __version__
    who = run(services, "sh", "-c", "id; cat /proc/self/status; touch /opt/x /etc/x /x; touch /tmp/x && echo wrote")
    assert "uid=1234567 gid=0" in who.stdout
    assert re.search(r"CapBnd:\s+0+\n", who.stdout)
    assert re.search(r"NoNewPrivs:\s+1\n", who.stdout)
    assert who.stderr.count("Read-only file system") == 3
    assert who.stdout.endswith("wrote\n")


def test_nothing_that_builds_or_installs_is_left_in_it(services: Image) -> None:
    for program in ("pip", "pip3", "gcc", "curl", "wget", "git"):
        assert run(services, "sh", "-c", f"command -v {program}").returncode != 0, program
    found = run(services, "find", "/", "-xdev", "-perm", "/6000", "-type", "f").stdout.split()
    assert found == [], "these would run as somebody else"
    assert not list(services.tree.glob("src/*"))


def test_the_configuration_of_the_pods_is_right(
    services: Image, configured: tuple[dict[str, Path], int], database_url: str
) -> None:
    done = run(services, "env", *environment(database_url), "headframe", "config", "check", mounts=configured[0])
    assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def web(image: Image, mounts: dict[str, Path], variables: list[str]) -> Iterator["subprocess.Popen[str]"]:
    command = image.as_pod(["env", *variables, "headframe", "web"], mounts)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_the_pages_are_served_from_a_tree_that_is_read_only(
    services: Image, configured: tuple[dict[str, Path], int], database_url: str
) -> None:
    mounts, port = configured
    variables = environment(database_url)
    checked = run(services, "env", *variables, "headframe", "db", "check", "--wait", mounts=mounts)
    assert checked.returncode == 0, checked.stderr
    with web(services, mounts, variables) as process:
        wait_until(lambda: process.poll() is not None or answers(port), 60, "the pages are there")
        assert process.poll() is None, process.stdout.read() if process.stdout else ""
        with request.urlopen(f"http://127.0.0.1:{port}/healthz") as answer:
            assert json.load(answer)


def test_a_backup_is_taken_in_it(
    services: Image, configured: tuple[dict[str, Path], int], database_url: str, tmp_path: Path
) -> None:
    words = ["env", *environment(database_url), "headframe", "backup", "--to", "/tmp/backups"]
    done = run(services, *words, mounts=configured[0])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "complete" in done.stdout


@pytest.mark.parametrize("name", ["services", "workers"])
def test_its_size_is_what_the_docs_say(name: str, built: Built) -> None:
    tree = built.image(name).tree
    size = int(subprocess.run(["du", "-sxm", tree], check=True, capture_output=True, text=True).stdout.split()[0])
    print(f"the tree of `{name}`: {size} MB")
    said = re.search(rf"The image `{name}` takes ([\d.]+) GB", (ROOT / "docs" / "kubernetes.md").read_text())
    assert said
    assert float(said[1]) == pytest.approx(size / 1000, abs=0.06)


def test_workers_do_every_step_of_a_tpc(
    workers: Image, tmp_path: Path, database_url: str, rabbit: RabbitServer
) -> None:
    lab = Lab(tmp_path, database_url, rabbit)
    lab.take(files=4)
    began = time.monotonic()
    with lab.services(), lab.worker(workers):
        states = lab.wait(files=4, seconds=420)
    rabbit.delete("headframe.")
    print(f"4 files through a worker that may write nowhere else: {time.monotonic() - began:.0f} s, with compiling")
    assert states == ["cataloged"] * 4, lab.said()


def answers(port: int) -> bool:
    try:
        request.urlopen(f"http://127.0.0.1:{port}/healthz").close()
    except OSError:
        return False
    return True
