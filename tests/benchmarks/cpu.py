"""What this thread and the database's processes have really computed: on a shared machine a clock tells little else."""

import os
import time
from pathlib import Path

from sqlalchemy import Engine, text


class Cpu:
    """Reads the time that this thread and the connections of a pool have been on a core, in milliseconds."""

    def __init__(self, engine: Engine) -> None:
        connections = [engine.connect() for _ in range(max(1, engine.pool.checkedin()))]  # type: ignore[attr-defined]
        self.pids = [conn.execute(text("select pg_backend_pid()")).scalar_one() for conn in connections]
        for conn in connections:
            conn.close()

    def database(self) -> float:
        """Give the database's part."""
        return sum(int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) for pid in self.pids) / 1e6

    def all(self) -> float:
        """Give both parts."""
        return self.database() + time.thread_time() * 1000


def is_shared() -> bool:
    """Say whether others use this machine so much that a clock does not tell what a server would take."""
    return os.getloadavg()[0] > 0.75 * (os.cpu_count() or 1)
