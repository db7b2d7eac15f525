"""What processes ask for is what was measured and written down, with room above it."""

import pytest

from .manifests import ROOT
from .policy import amount
from .test_policy import manifests

MIB = 2**20


def table() -> dict[str, list[str]]:
    """Give the rows of the table of sizes, by process."""
    text = (ROOT / "docs" / "kubernetes.md").read_text().split("## Sizes")[1]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    return {name: cells for name, *cells in rows[2:] if len(cells) == 6}


@pytest.mark.parametrize("name", sorted(table()))
def test_a_process_asks_for_what_was_measured(name: str) -> None:
    _, peak, _, request, limit, cpu = table()[name]
    resources = manifests("dev").pod(name).spec["containers"][0]["resources"]
    assert (resources["requests"]["memory"], resources["limits"]["memory"]) == (request, limit)
    assert resources["requests"]["cpu"] == cpu
    assert float(peak) * 1.5 * MIB <= amount(request)
    assert amount(request) * 2 <= amount(limit)


def test_every_lasting_process_was_measured() -> None:
    assert {pod.name for pod in manifests("dev").pods() if pod.lasts} == set(table())


def test_the_sum_that_the_docs_name_is_right() -> None:
    pods = [pod for pod in manifests("spin").pods() if pod.lasts]
    asked = [(pod.replicas, each["resources"]["requests"]) for pod in pods for each in pod.spec["containers"]]
    cores = sum(replicas * amount(each["cpu"]) for replicas, each in asked)
    memory = sum(replicas * amount(each["memory"]) for replicas, each in asked) / 2**30
    assert f"{cores:.1f} cores and {memory:.1f} GiB" in (ROOT / "docs" / "kubernetes.md").read_text()
