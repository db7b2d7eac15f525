"""Why an action is not done, with what its operator has to see to decide anew."""

from typing import Any

from ..errors import RefusedError
from .present import Present
from .seen import Seen


class SelectionChangedError(RefusedError):
    """What is selected is no longer what was seen. `members` has what it is now."""

    def __init__(self, seen: Seen, before: str | None = None) -> None:
        self.members: dict[str, Any] = {
            "code": "selection-changed",
            "total": seen.total,
            "selected": seen.selected,
            "why": seen.why,
        }
        had = f"it had {int(before.partition('-')[0]):,} items, " if before else ""
        more = f" ({seen.why})" if seen.why else ""
        super().__init__(
            f"the selection has changed: {had}it has {seen.total:,} now{more}; nothing was done; look again"
        )


class NothingLeftError(RefusedError):
    """Nothing of what was named can be acted on. `members` says where it is, and who brought it there."""

    def __init__(self, action: str, present: tuple[Present, ...]) -> None:
        self.members: dict[str, Any] = {"code": "nothing-left", "present": present}
        first = f": {present[0].sentence}" if present else ""
        super().__init__(f"nothing to {action} any more{first}"[:1000])
