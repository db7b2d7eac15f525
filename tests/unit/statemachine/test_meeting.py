"""Types that several threads decode into for the first time at once: msgspec alone ends the process there."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]
THREADED = ("consumers", "daemon", "statemachine", "web", "src/headframe/client")
ALONE = (
    "consumers/steps", "consumers/tpc", "consumers/worker/child.py", "consumers/worker/storable.py",
    "daemon/backup", "daemon/cli", "daemon/config", "daemon/demo", "daemon/slurm",
)  # fmt: skip
"""What runs in one thread: commands, what is read before any thread starts, the process of a step."""
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


def decoded() -> Iterator[tuple[str, ast.expr]]:
    """Give each place of threaded code where msgspec decodes into a type, and the type."""
    for path in (path for part in THREADED for path in (ROOT / part).rglob("*.py")):
        place = path.relative_to(ROOT).as_posix()
        if place.startswith(ALONE):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("msgspec.convert", "msgspec.json.decode"):
                kinds = [each.value for each in node.keywords if each.arg == "type"]
                yield from ((f"{place}:{node.lineno}", kind) for kind in kinds + node.args[1:2])


def test_code_that_runs_in_threads_decodes_into_types_that_were_met() -> None:
    found = dict(decoded())
    assert len(found) > 10
    unmet = [f"{place}: {ast.unparse(kind)}" for place, kind in found.items() if not _is_met(kind)]
    assert unmet == [], "say met(Kind)"


def _is_met(kind: ast.expr) -> bool:
    """A plain container, such as `dict[str, Any]`, is known without."""
    return isinstance(kind, ast.Subscript) or (isinstance(kind, ast.Call) and ast.unparse(kind.func) == "met")
