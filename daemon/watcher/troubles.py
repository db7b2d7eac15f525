"""Say each trouble once: again only when the file has changed, or after an hour."""

from collections.abc import Callable

from ...statemachine.records import Trouble
from .text import printable

REPEAT_S = 3600.0
LARGEST = 50_000
"""How many troubles are remembered; beyond it the oldest are forgotten, so that they may be said again early."""


class Troubles:
    """Collects the troubles of one source until somebody takes them. Not thread-safe."""

    def __init__(self, source: str, clock: Callable[[], float]) -> None:
        self._source = source
        self._clock = clock
        self._said: dict[tuple[str, str], tuple[object, float]] = {}
        self._waiting: list[Trouble] = []

    def say(
        self,
        code: str,
        sentence: str,
        subject: str,
        facts: object = None,
        payload: str = "",
        run: int | None = None,
    ) -> None:
        """Note a trouble, unless it was said already of the same subject while it looked the same (`facts`)."""
        now = self._clock()
        shown = printable(subject)
        said = self._said.get((code, shown))
        if said is not None and said[0] == facts and now - said[1] < REPEAT_S:
            return
        self._said.pop((code, shown), None)
        self._said[code, shown] = (facts, now)
        while len(self._said) > LARGEST:
            del self._said[next(iter(self._said))]
        self._waiting.append(
            Trouble(
                code=code,
                sentence=printable(f"{shown}: {sentence}"),
                subject=shown,
                run=run,
                payload=printable(payload),
                source=self._source,
            )
        )

    def take(self) -> list[Trouble]:
        """Give what is waiting and forget that it waited."""
        taken, self._waiting = self._waiting, []
        return taken
