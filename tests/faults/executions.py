"""What the workers' steps wrote down of themselves: a line for each that was begun."""

from collections import Counter
from typing import NamedTuple

from .centre import Centre

INTERRUPTED = "select count(*) from history where trigger = 'interrupt'"


class Executions(NamedTuple):
    """How often steps were begun (`all`); `again`: an item's step that had been begun before.

    `shared` attempts were in the hands of two workers; `interrupted` ones were taken back.
    """

    all: int
    again: int
    shared: int
    interrupted: int

    def __str__(self) -> str:
        """Say it in one line."""
        return (
            f"{self.all} executions, {self.again} of them again; {self.interrupted} attempts interrupted, "
            f"{self.shared} in the hands of two workers"
        )


def executions(centre: Centre) -> Executions:
    """Count what was begun."""
    done: Counter[tuple[str, str]] = Counter()
    for line, number in centre.noted("executions").items():
        item, step, _, _ = line.split()
        done[item, step] += number
    again = done.total() - len(done)
    return Executions(done.total(), again, at_two_workers(centre), centre.value(INTERRUPTED))


def at_two_workers(centre: Centre) -> int:
    """Count the attempts (an item's epochs) that two workers or more have begun."""
    begun = set(centre.noted("executions"))
    workers = Counter(line.rpartition(" ")[0] for line in begun)
    return sum(number > 1 for number in workers.values())
