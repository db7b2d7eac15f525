"""A centre beside a SLURM cluster: a launcher, which has HTTP and the commands of SLURM alone, starts its workers."""

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from ..faults.centre import Centre, step
from ..integration.rabbit_server import RabbitServer
from ..integration.servers import PostgresServer, Process, free_ports, wait_until
from ..integration.slurm_server import Slurm

STEP = Path(__file__).parent / "step.py"
CLUSTER = """
host_class = "compute"
[site.mine]
path = "mine"
kind = "source"
[site.center]
path = "center"
{steps}
[command.work]
argv = ["{python}", "{program}"]
exit_codes = {{ 75 = "interrupt" }}
[command.work.environment]
HEADFRAME_TEST_ORDERS = "{orders}"
[worker]
work_site = "center"
heartbeat_s = 1
grace_s = 5
[launcher]
name = "test"
url = "{url}"
token_file = "launcher.token"
interval_s = 1
grace_s = {grace_s}
refused_s = 2
refused_max_s = 600
logs = "pilots"
command = ["{python}", "-m", "headframe"]
{pilots}
"""
PILOT = """
[pilot.reconstruct]
steps = ["reconstruct"]
max = {max}
within_s = {within_s}
workers = {workers}
cores = {cores}
memory = "{memory}"
walltime = "{walltime}"
idle_s = {idle_s}
drain_s = {drain_s}
script = {script}
{more}
"""
PILOT_DEFAULTS: dict[str, Any] = {
    "max": 4,
    "within_s": 10,
    "workers": 1,
    "cores": 1,
    "memory": "800M",
    "walltime": "1:00:00",
    "idle_s": 3,
    "drain_s": 30,
    "more": "",
}
STEPS = "\n".join(
    [
        step("reconstruct", "reconstructed", use="command:work"),
        step("catalog", "cataloged", makes="nothing", use="noop"),
    ]
)


def pilot(**keys: Any) -> str:
    """Give the table of the pilots that reconstruct."""
    script = [f"export PYTHONPATH='{path}'"] if (path := os.environ.get("PYTHONPATH")) else []
    return PILOT.format(**{**PILOT_DEFAULTS, **keys, "script": [*keys.get("script", ()), *script]})


class Cluster(Centre):
    """The services of one instance, a SLURM, and the launcher between them. `program`: what pilots run as a step."""

    def __init__(
        self,
        folder: Path,
        instance: str,
        postgres: PostgresServer,
        database: str,
        rabbit: RabbitServer,
        slurm: Slurm,
        **changes: Any,
    ) -> None:
        self.slurm = slurm
        (web_port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{web_port}"
        said = {"steps": STEPS, "pilots": pilot(), "grace_s": 10, **changes}
        commands = '\n[command.work]\nargv = ["true"]\n'
        super().__init__(
            folder,
            instance,
            postgres,
            database,
            rabbit,
            **{**changes, "steps": said["steps"] + commands, "web_port": web_port},
        )
        self.pilots = said["pilots"]
        self.said = {**said, "url": self.url, "python": sys.executable, "program": STEP, "orders": self.orders}
        self.cluster_config = folder / "cluster.toml"
        (folder / "pilots").mkdir()
        self.configure(self.pilots)
        self.launcher: Process | None = None

    def configure(self, pilots: str) -> None:
        """Write the configuration that launcher and pilots read: the broker and the sites, no database."""
        broker = (
            f'[broker]\nurl = "{self.rabbit.url}"\nuser = "{self.rabbit.user}"\npassword_file = "broker.password"\n'
        )
        head = f'instance = "{self.instance}"\n'
        tables = CLUSTER.format(**{**self.said, "pilots": pilots})
        top, _, rest = tables.partition("[site.mine]")
        self.cluster_config.write_text(f"{head}{top}{broker}[site.mine]{rest}")

    def open(self) -> None:
        """Start the services, and make the launcher's token."""
        for name in ("conductor-0", "sweeper-0", "watch-0", "web-0"):
            self.add(name)
        self.add("worker-0", {"HEADFRAME_WORKER__STEPS": '["catalog"]'})
        made = self.command("token", "make", "launcher-test", "--role", "launcher", "--days", "2")
        assert made.returncode == 0, made.stderr
        token = self.folder / "launcher.token"
        token.touch(mode=0o600)
        token.write_text(made.stdout)

    def launch(self, environ: dict[str, str] | None = None) -> Process:
        """Start the launcher; with SLURM's commands in its environment."""
        env = {**self.slurm.environ, **(environ or {})}
        words = [sys.executable, "-m", "headframe", "--config", str(self.cluster_config), "launcher"]
        self.launcher = Process(words, env, self.folder / "launcher.log", self.folder)
        return self.launcher

    def ask(self, *words: str) -> str:
        """Run a command of the login node; give what it printed, whatever its exit code."""
        line = [sys.executable, "-m", "headframe", "--config", str(self.cluster_config), *words]
        done = subprocess.run(
            line, capture_output=True, text=True, check=False, timeout=300, env=self.slurm.environ, cwd=self.folder
        )
        return done.stdout + done.stderr

    def hold(self) -> None:
        """Let every step go on until `let_go`."""
        (self.orders / "hold").touch()

    def let_go(self) -> None:
        """End what `hold` began."""
        (self.orders / "hold").unlink(missing_ok=True)

    def executions(self) -> Counter[str]:
        """Count how often each file was begun."""
        return Counter(line.split()[0] for line in self.noted("steps").elements())

    def executing(self) -> int:
        """Count the files that are worked on."""
        return int(self.value("select count(*) from item where phase = 'executing' and scope = 'file'"))

    def live_pilots(self) -> int:
        """Count the pilots that are not over."""
        return int(self.value("select count(*) from pilot where ended_at is null"))

    def pilot_rows(self) -> list[Any]:
        """Give all pilots, the first one first."""
        return list(self.rows("select * from pilot order by id"))

    def wait(self, statement: str, seconds: float, what: str, **values: Any) -> None:
        """Wait until a statement is true. Raises with all that may say why it is not."""
        try:
            wait_until(lambda: bool(self.value(statement, **values)), seconds, what)
        except TimeoutError as error:
            raise AssertionError(f"{error}\n{self.stands()}\n{self.last_words()}") from error

    def stands(self) -> str:
        """Say where items, pilots and jobs stand."""
        items = self.rows("select state, phase, reason_code, reason, count(*) from item group by 1, 2, 3, 4")
        pilots = self.rows("select id, status, state, job, node, code, reason, told from pilot order by id")
        jobs = self.slurm.try_command("squeue", "-t", "all", "-o", "%A %j %T %N %r").stdout
        return "\n".join([*map(str, items), *map(str, pilots), jobs])

    def last_words(self) -> str:
        """Give the ends of all logs, of pilots too."""
        logs = sorted((self.folder / "pilots").glob("*.log"))[-4:]
        theirs = "\n".join(f"--- {log.name}\n{log.read_text(errors='replace')[-2500:]}" for log in logs)
        return f"{super().last_words()}\n{theirs}"

    def close(self) -> None:
        """End everything; SLURM's own processes end with it."""
        self.let_go()
        if self.launcher is not None:
            self.launcher.end(signal.SIGKILL)
        self.slurm.try_command("scancel", "--user", self.slurm.user)
        super().close()
