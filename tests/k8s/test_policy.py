"""Manifests of k8s/: kustomize builds them, Kubernetes takes them, the policy is kept, what breaks it is found."""

import copy
import json
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import kubernetes_validate
import pytest

from headframe import __version__

from . import mutations, policy
from .manifests import K8S, ROOT, Manifests, build, containers, load

VERSIONS = ("1.29.0", "1.32.0", "1.35.0")
CFS = ("/global/cfs/cdirs/",)
HOST_PATHS = {"spin": CFS}
EXTERNAL = """
resources: [BASE/base]
components: [BASE/components/external, BASE/components/sites]
"""
OPENSHIFT = """
resources: [BASE/overlays/dev]
components: [BASE/components/openshift]
"""


@cache
def built(name: str) -> str:
    return build(K8S / name if name == "base" else K8S / "overlays" / name)


@cache
def parsed(name: str) -> Manifests:
    return load(built(name), HOST_PATHS.get(name, ()))


def manifests(name: str) -> Manifests:
    """Give manifests to do anything with."""
    return copy.deepcopy(parsed(name))


def assembled(folder: Path, kustomization: str, *, given_ids: bool = False) -> Manifests:
    """Build another kustomization over a copy of ours, as somebody else's overlay would."""
    shutil.copytree(K8S, folder / "k8s", ignore=shutil.ignore_patterns("*.txt"))
    own = folder / "k8s" / "overlays" / "own"
    own.mkdir()
    own.joinpath("kustomization.yaml").write_text(kustomization.replace("BASE", "../.."))
    return load(build(own), given_ids=given_ids)


def faults(found: Manifests) -> list[str]:
    return [f"{rule.__name__}: {said}" for rule in policy.RULES for said in rule(found)]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ["base", "dev", "spin"])
def test_kubernetes_takes_what_kustomize_builds(name: str, version: str) -> None:
    for each in manifests(name).all:
        kubernetes_validate.validate(each, version, strict=True)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_key_that_kubernetes_does_not_know_is_refused(version: str) -> None:
    wrong = manifests("base").named("Deployment", "web")
    wrong["spec"]["minReadyMinutes"] = 5
    with pytest.raises(kubernetes_validate.ValidationError, match="minReadyMinutes"):
        kubernetes_validate.validate(wrong, version, strict=True)


def test_the_command_finds_no_fault_either(tmp_path: Path) -> None:
    path = tmp_path / "spin.yaml"
    path.write_text(built("spin"))
    command = [sys.executable, "-m", "kubernetes_validate", "--strict", "-k", VERSIONS[-1], str(path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["dev", "spin"])
def test_an_overlay_keeps_to_the_policy(name: str) -> None:
    assert faults(manifests(name)) == []


def test_servers_elsewhere_need_one_patch_and_keep_to_the_policy(tmp_path: Path) -> None:
    found = assembled(tmp_path, EXTERNAL)
    assert faults(found) == []
    assert not list(found.of("StatefulSet"))
    assert [path.name for path in (K8S / "components" / "external").glob("*.yaml")].count("servers.yaml") == 1


def test_any_user_id_will_do(tmp_path: Path) -> None:
    found = assembled(tmp_path, OPENSHIFT, given_ids=True)
    assert faults(found) == []
    for pod in found.pods():
        contexts = [pod.spec["securityContext"], *(each["securityContext"] for each in containers(pod))]
        assert not any({"runAsUser", "runAsGroup", "fsGroup"} & set(context) for context in contexts), pod.name


def test_every_volume_at_the_centre_is_of_the_class_that_it_has() -> None:
    found = manifests("spin")
    claims = [each["spec"] for each in found.of("PersistentVolumeClaim")]
    claims += [each["spec"] for owner in found.of("StatefulSet") for each in owner["spec"]["volumeClaimTemplates"]]
    assert len(claims) == 3
    assert {each.get("storageClassName") for each in claims} == {"nfs-client"}


def test_a_folder_of_a_node_is_refused_where_the_overlay_does_not_name_it() -> None:
    assert list(policy.only_tame_volumes(load(built("spin"))))
    assert not list(policy.only_tame_volumes(load(built("spin"), CFS)))
    writing = load(built("spin"), CFS)
    mounts = writing.pod("watcher").spec["containers"][0]["volumeMounts"]
    next(each for each in mounts if each["name"] == "work")["readOnly"] = False
    assert list(policy.only_tame_volumes(writing))


def test_every_rule_has_something_that_breaks_it() -> None:
    assert {rule.__name__ for rule in policy.RULES} == set(mutations.MUTATIONS)


@pytest.mark.parametrize(
    ("rule", "change"),
    [(rule, change) for rule in policy.RULES for change in mutations.MUTATIONS.get(rule.__name__, ())],
    ids=[f"{rule.__name__}-{n}" for rule in policy.RULES for n in range(len(mutations.MUTATIONS[rule.__name__]))],
)
def test_a_broken_manifest_is_found(rule: policy.Rule, change: mutations.Change) -> None:
    broken = manifests("dev")
    change(broken)
    assert list(rule(broken))


def test_images_are_of_this_version() -> None:
    for name in ("base", "dev", "spin"):
        images = {each["image"] for pod in manifests(name).pods() for each in containers(pod)}
        ours = {image for image in images if "headframe" in image}
        assert ours
        assert all(image.endswith(f":{__version__}") for image in ours), ours


def test_every_secret_that_is_mounted_is_made_by_the_script_or_told_in_the_docs() -> None:
    made = subprocess.run([sys.executable, K8S / "make_secrets.py"], capture_output=True, text=True, check=True)
    names = {each["metadata"]["name"] for each in json.loads(made.stdout)["items"]}
    for overlay in ("dev", "spin"):
        volumes = [each for pod in manifests(overlay).pods() for each in pod.spec.get("volumes", [])]
        missing = {each["secret"]["secretName"] for each in volumes if "secret" in each} - names
        told = (ROOT / "docs" / "kubernetes.md").read_text()
        assert not {name for name in missing if f"create secret generic {name} " not in told}
