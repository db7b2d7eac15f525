"""The state diagram of a run: its pipeline's states in order, how many files stand in each, where the run stands."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from .bars import TROUBLE, shades

SHOWN = ("executing", "submitted", "ready", *TROUBLE)


class Stop(NamedTuple):
    """A state: how many files stand in it now, in which phases, and how many have come as far.

    `step` leads on to the next state, empty in the last one; `skipped`: the run type leaves it out. `stands`: the run
    itself has reached this state and no further.
    """

    state: str
    shade: str
    n: int
    reached: int
    phases: tuple[tuple[str, int], ...]
    step: str
    skipped: bool
    stands: bool


def diagram(
    files: Mapping[str, Mapping[str, int]],
    reached: Mapping[str, int],
    states: Sequence[str],
    steps: Sequence[str],
    left_out: Sequence[str],
    stands: str,
) -> list[Stop]:
    """Lay the states of a pipeline out, each with the step that leads on from it."""
    colours = shades(states)
    following = [*steps[: len(states) - 1], ""]
    return [
        Stop(
            state=state,
            shade=colours[state],
            n=sum(int(n) for n in files.get(state, {}).values()),
            reached=int(reached.get(state, 0)),
            phases=tuple((phase, int(files[state][phase])) for phase in SHOWN if files.get(state, {}).get(phase)),
            step=step,
            skipped=step in left_out,
            stands=state == stands,
        )
        for state, step in zip(states, following, strict=True)
    ]
