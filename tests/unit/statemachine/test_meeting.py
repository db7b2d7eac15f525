"""Types that several threads decode into for the first time at once: msgspec alone ends the process there."""

import subprocess
import sys

PROGRAM = """
import sys, threading, msgspec
from headframe.statemachine.meeting import met

sys.setswitchinterval(1e-6)
DEPTH, THREADS = 12, 4


def fresh(n):
    kind = int
    for _ in range(DEPTH):
        inner = tuple[kind, ...] if kind is not int else int
        fields = [("a", inner, ()), ("b", dict[str, str], {}), ("c", str | None, None), ("d", tuple[str, ...], ())]
        kind = msgspec.defstruct("S", fields, kw_only=True)
    return kind


def meet(kind, together):
    together.wait()
    assert msgspec.json.decode(b'{"a": [{"c": "x"}]}', type=met(kind)).a[0].c == "x"


for n in range(200):
    kind, together = fresh(n), threading.Barrier(THREADS)
    threads = [threading.Thread(target=meet, args=(kind, together)) for _ in range(THREADS)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
print("all met")
"""


def test_threads_that_meet_a_type_at_once_all_decode_it() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False, timeout=300)
    assert (done.returncode, done.stdout, done.stderr) == (0, "all met\n", "")
