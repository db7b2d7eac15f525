"""Nodes that are set aside: which of them the batch system knows, and which pilots are on them."""

import re
from collections.abc import Iterable, Mapping

import structlog

from ..slurm.contract import Batch, BatchError

log = structlog.get_logger("headframe.launcher")

MOST = 10_000
"""A list of hosts is not written out beyond this."""


class SetAside:
    """Keeps the cluster's names of nodes: sbatch refuses a job that excludes a node it does not know."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._asked: frozenset[str] = frozenset()
        self._known: frozenset[str] = frozenset()

    def exclude(self, set_aside: Mapping[str, str]) -> tuple[str, ...]:
        """Give the nodes that no pilot may go to. The cluster is asked only when others are set aside than before."""
        wanted = frozenset(set_aside)
        if wanted and wanted != self._asked:
            try:
                self._known = frozenset(node.name for node in self._batch.nodes())
                self._asked = wanted
            except BatchError as error:
                log.warning("nodes that are set aside cannot be excluded now", cause=str(error))
        return tuple(sorted(wanted & self._known))


def on(nodes: str, set_aside: Mapping[str, str]) -> str:
    """Give the first node of a list of hosts that is set aside; nothing where none is."""
    if not set_aside or not nodes:
        return ""
    return next((node for node in expanded(nodes) if node in set_aside), "")


def expanded(hosts: str) -> list[str]:
    """Write a list of hosts out: `n[1-3,07],login` is n1, n2, n3, n07 and login."""
    found: list[str] = []
    for word in re.findall(r"(?:[^,\[]|\[[^\]]*\])+", hosts):
        found += _written_out(word.strip())
        if len(found) > MOST:
            break
    return found[:MOST]


def _written_out(word: str) -> list[str]:
    found = re.fullmatch(r"([^\[]*)\[([^\]]*)\](.*)", word)
    if found is None:
        return [word] if word else []
    before, ranges, after = found.groups()
    middle = [number for each in ranges.split(",") for number in _numbers(each)]
    return [f"{before}{number}{rest}" for number in middle for rest in _written_out(after) or [""]]


def _numbers(words: str) -> Iterable[str]:
    first, dash, last = words.partition("-")
    if not dash or not (first.isdigit() and last.isdigit()):
        return [words]
    return [str(number).zfill(len(first)) for number in range(int(first), min(int(last), int(first) + MOST) + 1)]
