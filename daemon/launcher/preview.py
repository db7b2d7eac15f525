"""What a launcher would do, without doing it: `headframe launcher --dry-run`."""

from collections.abc import Iterator

from ...client import ClientError
from ...statemachine.wording import plural
from ..config import Config
from ..slurm.contract import Batch, BatchError
from ..slurm.script import ScriptError, Wanted, check_shell, render
from .launcher import Launcher
from .sizing import Plan
from .tokens import digest, prefix

NOBODY = "0" * 16


class Preview:
    """Lines for a person. `wrong` and `unreachable` say afterwards how it went."""

    def __init__(self, config: Config, batch: Batch) -> None:
        self.config, self.batch = config, batch
        self.wrong = self.unreachable = False

    def scripts(self) -> Iterator[str]:
        """Give the scripts of each name, and what bash and the batch system say of them."""
        for name, pilot in self.config.pilots.items():
            for large in (False, True) if pilot.large > 1 else (False,):
                token = f"{prefix(self.config)}{digest(self.config, name)}-{NOBODY}"
                wanted = Wanted(token=token, name=name, large=large)
                job = render(self.config, wanted)
                yield f"--- {name}{', large' if large else ''}"
                yield job.script
                yield f"--- {self._checked(wanted, job.script)}"
                yield ""

    def plans(self, launcher: Launcher) -> Iterator[str]:
        """Give what would be started and taken back now."""
        try:
            orders = launcher.service.round(self.config.launcher.name, launcher.said())
        except ClientError as error:
            self.unreachable = True
            yield f"what it would start cannot be said: {error}"
            return
        launcher.book.take((), orders)
        for name, plan in launcher.keeping.plans(orders, launcher.keeping.rests(orders)).items():
            yield f"{name}: {_would(plan)}"

    def _checked(self, wanted: Wanted, script: str) -> str:
        try:
            check_shell(self.config, wanted, script)
            said = self.batch.try_out(render(self.config, wanted))
        except ScriptError as error:
            self.wrong = True
            return str(error)
        except BatchError as error:
            self.wrong = True
            return f"{self.batch.name}: {error}"
        return f"{self.batch.name}: {said or 'it would be taken'}"


def _would(plan: Plan) -> str:
    parts = []
    if plan.start:
        parts.append(f"would start {plural(plan.start, 'pilot')}")
    if plan.start_large:
        parts.append(f"would start {plural(plan.start_large, 'large pilot')}")
    if plan.start_stay:
        parts.append(f"would start {plural(plan.start_stay, 'pilot')} to be kept")
    if plan.surplus + plan.surplus_large:
        parts.append(f"has {plan.surplus + plan.surplus_large} too many that wait")
    if plan.surplus_stay:
        parts.append(f"keeps {plan.surplus_stay} too many")
    return ", ".join(parts) or "nothing to start: as many pilots as its work needs are there"
