"""A double of pyslurm 25.11's documented interface (its source's names and types), for a machine without SLURM 25.11.

Only what headframe uses. Collections are mappings; times are seconds since 1970 or None; limits are minutes, None or
"UNLIMITED"; `RPCError` has `errno` and `msg`.
"""

from types import SimpleNamespace
from typing import Any


class RPCError(Exception):
    def __init__(self, errno: int, msg: str) -> None:
        super().__init__(msg)
        self.errno, self.msg = errno, msg


def job(number: int, user: int, **changes: Any) -> SimpleNamespace:
    values: dict[str, Any] = {
        "id": number,
        "name": "hf-a-1",
        "user_id": user,
        "state": "RUNNING",
        "state_reason": None,
        "allocated_nodes": "n[1-2]",
        "requeue_count": 2,
        "exit_code": None,
        "exit_code_signal": None,
        "submit_time": 100,
        "start_time": 200,
        "end_time": 800,
        "time_limit": 10,
    }
    return SimpleNamespace(**{**values, **changes})


class Double:
    """The module. `fail` is what each question raises; `done` is what was asked to be done."""

    def __init__(self, user: int) -> None:
        self.fail: Exception | None = None
        self.done: list[tuple[object, ...]] = []
        self.Jobs = self._loads({7: job(7, user), 8: job(8, user + 1)})
        node = SimpleNamespace(
            name="n1", state="MIXED+PLANNED", reason=None, total_cpus=64, real_memory=500_000, partitions=["main"]
        )
        self.Nodes = self._loads({"n1": node})
        partition = SimpleNamespace(
            name="main", state="UP", nodes="n[1-4]", max_time="UNLIMITED", max_memory_per_node=400_000
        )
        self.Partitions = self._loads({"main": partition})
        reservation = SimpleNamespace(
            name="run7", nodes="n[1-2]", users=["ada", "bob"], accounts=None, start_time=100, end_time=4_000_000_000
        )
        self.Reservations = self._loads({"run7": reservation})
        self.db = SimpleNamespace(JobFilter=SimpleNamespace, Jobs=self._loads({7: self._recorded()}))

    def Job(self, number: int) -> SimpleNamespace:  # noqa: N802 - pyslurm's name
        def end() -> None:
            self._do("cancel", number)

        def send_signal(signal: int | str, steps: str = "children") -> None:
            self._do("signal", number, signal, steps)

        return SimpleNamespace(cancel=end, send_signal=send_signal)

    def _do(self, *what: object) -> None:
        if self.fail:
            raise self.fail
        self.done.append(what)

    def _loads(self, found: dict[Any, Any]) -> SimpleNamespace:
        def load(*_: object) -> dict[Any, Any]:
            if self.fail:
                raise self.fail
            return found

        return SimpleNamespace(load=load)

    def _recorded(self) -> SimpleNamespace:
        stats = SimpleNamespace(total_cpu_time=90, max_resident_memory=5_000, user_cpu_time=80, system_cpu_time=10)
        return job(
            7,
            0,
            state="COMPLETED",
            nodelist="n1",
            exit_code=0,
            exit_code_signal=0,
            elapsed_time=600,
            cpus=4,
            stats=stats,
            steps={"batch": SimpleNamespace(stats=stats)},
        )
