"""The signals of a pilot: none is lost, and who is started meanwhile is not ended by them."""

import subprocess
import sys

import pytest

ASKS = """
import os, signal, subprocess, sys
from headframe.daemon.pilot import crew
from headframe.daemon.pilot.signals import catch_signals, deaf, pending
heard = catch_signals()
name = signal.Signals[sys.argv[1]]
"""
WHILE_DEAF = """
with deaf():
    os.kill(os.getpid(), name)
    child = subprocess.run([sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal." + name.name + "); "
        "signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal." + name.name + "]); print('lives')"])
print(*(signal.Signals(number).name for number in pending(heard)))
"""
WHILE_PREPARING = """
from multiprocessing import util
really = util.spawnv_passfds
def spawn(*words):
    os.kill(os.getpid(), name)
    return really(*words)
util.spawnv_passfds = spawn
crew.prepare()
print(*sorted({signal.Signals(number).name for number in pending(heard)}))
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR1"])
@pytest.mark.parametrize(("when", "said"), [(WHILE_DEAF, ["lives"]), (WHILE_PREPARING, [])], ids=["deaf", "preparing"])
def test_a_signal_that_comes_while_something_is_started_is_heard_afterwards(
    when: str, said: list[str], name: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ASKS + when, name], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout.split()) == (0, [*said, name]), done.stderr
