"""A run of one file whose step goes on until the test says so."""

from ..integration.servers import wait_until
from .centre import Centre, step
from .member import Member
from .reckoning import stands

EXECUTING = """
select i.id, i.epoch, i.owner from item i join run on run.id = i.run_id
where run.number = :run and i.phase = 'executing' and i.scope = 'file' and i.epoch > :after
"""


def steps(lease_s: float) -> str:
    """Give a pipeline with such a step in it."""
    return "\n".join(
        [
            step("reconstruct", "reconstructed", use="faults-linger", lease_s=lease_s),
            step("catalog", "cataloged", makes="nothing"),
        ]
    )


class Attempt:
    """An epoch of it: who owns it."""

    def __init__(self, centre: Centre, item: int, epoch: int, owner: str) -> None:
        self.centre, self.item, self.epoch, self.owner = centre, item, epoch, owner

    @property
    def worker(self) -> Member:
        """Give the process that works on it. Raises `ValueError` where that has died, or where two do."""
        lines = [line.split() for line in self.centre.noted("executions")]
        (pid,) = (int(pid) for i, _, e, pid in lines if (int(i), int(e)) == (self.item, self.epoch))
        (found,) = (m for m in self.centre.members if m.process is not None and m.process.pid == pid)
        return found


class LongStep:
    """One at a time: all wait for the same word."""

    def __init__(self, centre: Centre) -> None:
        self.centre, self.run = centre, len(centre.written) + 1
        self.gate = centre.folder / "center/go"
        self.gate.unlink(missing_ok=True)
        centre.write(self.run, 1)
        centre.close_run(self.run, 1)
        self.first = self.attempt()

    def attempt(self, after: int = 0, within_s: float = 60) -> Attempt:
        """Wait until a later epoch than `after` is executed."""
        found: list[Attempt] = []

        def begun() -> bool:
            rows = self.centre.rows(EXECUTING, run=self.run, after=after)
            found.extend(Attempt(self.centre, *row) for row in rows)
            return bool(found)

        try:
            wait_until(begun, within_s, f"run {self.run} is executed in an epoch after {after}")
        except TimeoutError as error:
            raise AssertionError(f"{error}\n{stands(self.centre)}\n{self.centre.last_words()}") from error
        return found[0]

    def undisturbed(self) -> bool:
        """Say whether its first attempt goes on."""
        rows = self.centre.rows(EXECUTING, run=self.run, after=0)
        return [(row.epoch, row.owner) for row in rows] == [(self.first.epoch, self.first.owner)]

    def executed(self) -> int:
        """Give how often the step was begun."""
        lines = [line.split() for line in self.centre.noted("executions").elements()]
        return sum(int(item) == self.first.item and step == "reconstruct" for item, step, _, _ in lines)

    def interrupts(self) -> int:
        """Give how often it was taken back."""
        asked = "select count(*) from history where item_id = :item and trigger = 'interrupt'"
        return int(self.centre.value(asked, item=self.first.item))

    def end(self) -> None:
        """Give the word."""
        self.gate.touch()
