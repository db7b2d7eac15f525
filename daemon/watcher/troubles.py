"""Say each trouble once: again only when the file has changed, or after an hour; and say when it is over."""

from collections.abc import Callable

from ...statemachine.records import Trouble
from .text import printable

REPEAT_S = 3600.0
LARGEST = 50_000
"""How many troubles are remembered; beyond it the oldest are forgotten, so that they may be said again early."""
ONCE = ("file-vanished", "clock-backwards")
"""What is said of something that happened, and not again each time one looks: that nobody repeats it proves nothing."""


class Troubles:
    """Collects the troubles of one source until somebody takes them. Not thread-safe.

    A source looks at all that it has, round by round. What it said in an earlier round and no longer says by the
    end of a whole one is mended.
    """

    def __init__(self, source: str, clock: Callable[[], float]) -> None:
        self._source = source
        self._clock = clock
        self._said: dict[tuple[str, str], tuple[object, float]] = {}
        self._met: set[tuple[str, str]] = set()
        self._kept: set[str] = set()
        self._waiting: list[Trouble] = []

    def begin_round(self) -> None:
        """Note that the source begins to look at everything."""
        self._met.clear()
        self._kept.clear()

    def end_round(self) -> None:
        """Note that it has looked at everything: what was said before and not in this round is mended."""
        over = [key for key in self._said if key not in self._met and key[0] not in ONCE and key[1] not in self._kept]
        for code, subject in over:
            del self._said[code, subject]
            self._waiting.append(
                Trouble(code=code, sentence="mended", subject=subject, source=self._source, mended=True)
            )

    def keep(self, subject: str) -> None:
        """Note that nobody can tell yet whether a subject is mended."""
        self._kept.add(printable(subject))

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
        self._met.add((code, shown))
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
