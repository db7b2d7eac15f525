"""A private SLURM for tests: one slurmctld, some slurmd on this host, loopback only, in a folder of its own.

Nothing needs root: all daemons and jobs belong to whoever runs the tests. Each process is ended by its id; those that
a slurmd leaves behind (its slurmstepd, and jobs) are known by their environment or open files, which name our folder.
"""

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from .servers import TEMP, Process, ServerMissing, free_ports, temporary, wait_until
from .slurm_accounting import Accounting
from .slurm_processes import end_abandoned, end_all, is_on, kill_all, own, processes_of, read

PACKAGES = "slurmctld slurmd slurm-client slurmdbd slurm-wlm-basic-plugins"
PARTITIONS = ("PartitionName=main Default=YES PriorityTier=1", "PartitionName=urgent PriorityTier=10")
DEAD = ("DOWN", "UNKNOWN", "FAIL", "*")


class Slurm:
    """A private SLURM in a folder of its own: `nodes` (n1, n2, ...), each with so many cores and MiB of memory.

    `partitions` are lines of slurm.conf without their nodes (all, unless they say so). `preempt`: what becomes of jobs
    in `main` that give way to `urgent`, `CANCEL` or `REQUEUE` (`preempt_by` says by what: `partition_prio` or, with
    accounting, `qos`). `accounting` adds slurmdbd and a MariaDB, and `enforce` what slurmctld enforces of them, such
    as `associations,limits,qos`. `min_job_age_s`: how long slurmctld knows a job that ended. `settings` are further
    lines of slurm.conf.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        nodes: int = 4,
        cpus: int = 4,
        memory: int = 4000,
        partitions: Sequence[str] = PARTITIONS,
        preempt: str = "",
        preempt_by: str = "partition_prio",
        accounting: bool = False,
        enforce: str = "",
        min_job_age_s: int = 300,
        settings: Mapping[str, object] | None = None,
    ) -> None:
        for program in ("slurmctld", "slurmd", "sbatch"):
            find_program(program, PACKAGES)
        self._own_folder = folder is None
        self.folder = folder or temporary("slurm")
        self.folder.mkdir(parents=True, exist_ok=True)
        end_abandoned(TEMP)
        own(self.folder)
        self.names = [f"n{number + 1}" for number in range(nodes)]
        self.port, *ports = free_ports(nodes + 1)
        self.ports = dict(zip(self.names, ports, strict=True))
        self.config = self.folder / "slurm.conf"
        self.user = getpass.getuser()
        self.accounting = Accounting(self.folder, self.user) if accounting else None
        self.slurmctld: Process | None = None
        self.slurmd: dict[str, Process] = {}
        ours = self._settings(min_job_age_s, preempt, preempt_by, enforce)
        self._write({**ours, **(settings or {})}, partitions, f"CPUs={cpus} RealMemory={memory}")

    @property
    def environ(self) -> dict[str, str]:
        """Give the environment in which SLURM's commands speak to this one."""
        return {**clean_environ(), "SLURM_CONF": str(self.config)}

    def start(self) -> None:
        """Start all daemons; return when every node is idle."""
        if self.accounting:
            self.accounting.start()
        self.start_slurmctld()
        for name in self.names:
            self._launch_slurmd(name)
        self.wait_idle()

    def wait_idle(self, seconds: float = 120) -> None:
        """Wait until every node is idle."""
        wait_until(lambda: all(state == "IDLE" for state in self.states().values()), seconds, "all nodes idle")

    def start_slurmctld(self) -> None:
        """Start slurmctld; return when it answers."""
        command = [find_program("slurmctld", PACKAGES), "-D", "-f", str(self.config)]
        self.slurmctld = Process(command, self.environ, self.folder / "slurmctld.log", self.folder)
        wait_until(self._answers, 120, "slurmctld answers")

    def stop_slurmctld(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End slurmctld: it saves its state, unless it is killed."""
        if self.slurmctld:
            self.slurmctld.end(how)

    def start_slurmd(self, node: str) -> None:
        """Start a node's slurmd; return when slurmctld takes the node for alive."""
        self._launch_slurmd(node)
        wait_until(lambda: not any(word in self.states()[node] for word in DEAD), 120, f"{node} is up")

    def kill_slurmd(self, node: str) -> None:
        """Kill a node's slurmd without notice. Its slurmstepd and jobs live on: see `kill_node`."""
        self.slurmd[node].end(signal.SIGKILL)

    def kill_node(self, node: str) -> None:
        """Kill a node's slurmd and all that runs there, as a power cut would."""
        self.kill_slurmd(node)
        here = [pid for pid in self.strays() if is_on(pid, node, self.folder)]
        kill_all(here)

    def freeze_slurmctld(self, frozen: bool) -> None:
        """Stop or continue slurmctld: while it is stopped, it takes connections and answers nothing."""
        if self.slurmctld:
            self.slurmctld.popen.send_signal(signal.SIGSTOP if frozen else signal.SIGCONT)

    def states(self) -> dict[str, str]:
        """Give each node's state, such as `IDLE` or `DOWN*`."""
        done = self.try_command("sinfo", "-N", "-h", "-a", "-o", "%N %T")
        return {line.split()[0]: line.split()[1].upper() for line in done.stdout.splitlines()}

    def jobs(self) -> dict[str, str]:
        """Give the state of each job that slurmctld knows, such as `PENDING`, by its number."""
        lines = self.command("squeue", "-h", "-t", "all", "-o", "%A %T").splitlines()
        return {line.split()[0]: line.split()[1] for line in lines}

    def wait_job(self, job: str, state: str, seconds: float = 120) -> None:
        """Wait until a job is in a state, such as `RUNNING`."""
        wait_until(lambda: self.jobs().get(job) == state, seconds, f"job {job} is {state}")

    def sbatch(self, script: str, *options: str) -> str:
        """Submit a script; give the job's number."""
        where = f"--output={self.folder}/job-%j.log"
        return self.command("sbatch", "--parsable", where, *options, text=script).strip()

    def scontrol(self, *arguments: str) -> str:
        """Run scontrol; give what it printed."""
        return self.command("scontrol", *arguments)

    def sacctmgr(self, *arguments: str) -> str:
        """Run sacctmgr without questions (only with `accounting`); give what it printed."""
        return self.command("sacctmgr", "-i", *arguments)

    def command(self, *command: str, text: str = "") -> str:
        """Run one of SLURM's commands; give what it printed. Raises `RuntimeError` with what it complained of."""
        done = self.try_command(*command, text=text)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} gave {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def try_command(self, *command: str, text: str = "") -> "subprocess.CompletedProcess[str]":
        """Run one of SLURM's commands, whether it succeeds or not."""
        return subprocess.run(
            command, env=self.environ, input=text, capture_output=True, text=True, timeout=120, check=False
        )

    def slurmrestd(self) -> tuple[str, Process]:
        """Start a slurmrestd on a unix socket; give its address. Raises `ServerMissing`."""
        program, path = find_program("slurmrestd", "slurmrestd"), self.folder / "rest"
        plugins = "openapi/v0.0.38,openapi/dbv0.0.38" if self.accounting else "openapi/v0.0.38"
        # Else it refuses to run as root, or as the user of slurmctld.
        environ = {**self.environ, "SLURMRESTD_SECURITY": "disable_user_check"}
        command = [program, "-f", str(self.config), "-a", "rest_auth/local", "-s", plugins, f"unix:{path}"]
        process = Process(command, environ, self.folder / "slurmrestd.log", self.folder)
        wait_until(lambda: process.running() and takes_connections(path), 60, "slurmrestd up")
        return f"unix:{path}", process

    def strays(self) -> list[int]:
        """Give the processes of this SLURM that are not our children: every slurmstepd, and what runs in jobs."""
        slurmdbd = self.accounting.slurmdbd if self.accounting else None
        ours = {process.pid for process in [*self.slurmd.values(), self.slurmctld, slurmdbd] if process}
        others = [pid for pid in processes_of(self.folder) if pid not in ours]
        return [pid for pid in others if not read(pid, "cmdline").startswith(b"slurmctld: ")]

    def close(self) -> None:
        """End all daemons and all that their jobs left behind, and delete the folder."""
        for process in [*self.slurmd.values(), self.slurmctld]:
            if process:
                process.end(signal.SIGKILL)
        if self.accounting:
            self.accounting.close()
        end_all(self.folder)
        if self._own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def remove(self) -> None:
        """Do what `close` does: the name that the other servers have for it."""
        self.close()

    def __enter__(self) -> Self:
        """Start it."""
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self.close()

    def _launch_slurmd(self, node: str) -> None:
        command = [find_program("slurmd", PACKAGES), "-D", "-N", node, "-f", str(self.config)]
        self.slurmd[node] = Process(command, self.environ, self.folder / f"slurmd-{node}.log", self.folder)

    def _answers(self) -> bool:
        if self.slurmctld:
            self.slurmctld.running()
        return self.try_command("scontrol", "ping").stdout.rstrip().endswith("UP")

    def _settings(self, min_job_age_s: int, preempt: str, preempt_by: str, enforce: str) -> dict[str, object]:
        here = self.folder
        ours: dict[str, object] = {
            "ClusterName": "headframe",
            "SlurmctldHost": f"{socket.gethostname().split('.')[0]}(127.0.0.1)",
            "SlurmctldPort": self.port,
            "SlurmUser": self.user,
            "SlurmdUser": self.user,
            "AuthType": "auth/none",
            "CredType": "cred/none",
            # Without these, every daemon listens on all addresses of the host.
            "CommunicationParameters": "NoCtldInAddrAny,NoInAddrAny",
            "StateSaveLocation": here / "state",
            "SlurmdSpoolDir": f"{here}/spool-%n",
            "SlurmctldPidFile": here / "slurmctld.pid",
            "SlurmdPidFile": f"{here}/slurmd-%n.pid",
            "SlurmdLogFile": f"{here}/slurmd-%n.own.log",
            "ProctrackType": "proctrack/linuxproc",
            "TaskPlugin": "task/none",
            "MpiDefault": "none",
            "SwitchType": "switch/none",
            "SelectType": "select/cons_tres",
            "SelectTypeParameters": "CR_Core_Memory",
            "DefMemPerCPU": 200,  # else a job gets all memory of its node, and no second one fits
            "SlurmdParameters": "config_overrides",  # nodes have what is written here, whatever the host has
            "ReturnToService": 2,
            "SlurmdTimeout": 10,
            "KillWait": 2,
            "MinJobAge": min_job_age_s,
            "JobRequeue": 1,
            "SchedulerParameters": "batch_sched_delay=0,sched_interval=5,bf_interval=1",
            "JobAcctGatherType": "jobacct_gather/linux",
            "JobAcctGatherFrequency": "task=1",
            "MailProg": "/bin/true",
        }
        if preempt:
            ours |= {"PreemptType": f"preempt/{preempt_by}", "PreemptMode": preempt}
        if self.accounting:
            ours |= self.accounting.settings(enforce)
        return ours

    def _write(self, settings: Mapping[str, object], partitions: Sequence[str], has: str) -> None:
        for name in ["state", *(f"spool-{node}" for node in self.names)]:
            (self.folder / name).mkdir()
        host = socket.gethostname().split(".")[0]
        lines = [f"{key}={value}" for key, value in settings.items()]
        for node, port in self.ports.items():
            lines.append(f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} {has} State=UNKNOWN")
        for line in partitions:
            lines.append(line if " Nodes=" in line else f"{line} Nodes={','.join(self.names)} State=UP")
        self.config.write_text("\n".join(lines) + "\n")


def takes_connections(path: Path) -> bool:
    """Say whether a unix socket is listened on."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as one:
        one.connect(str(path))
        return True
    return False


def find_program(name: str, packages: str) -> str:
    """Give the path of a program. Raises `ServerMissing` with the packages that bring it."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if not found:
        raise ServerMissing(f"no {name} here: `apt-get install --no-install-recommends {packages}`")
    return found


def clean_environ() -> dict[str, str]:
    """Give our environment without what SLURM's commands would read."""
    ours = ("SLURM", "SBATCH", "SQUEUE", "SINFO", "SACCT", "SCONTROL", "SCANCEL")
    return {key: value for key, value in os.environ.items() if not key.startswith(ours)}
