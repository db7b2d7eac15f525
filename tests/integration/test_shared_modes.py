"""Three users of one group share an inbox, a work area and products, with the modes that the configuration says.

The detector writes, `headframe up` runs as the worker with a umask of 077 and may only read the inbox, an analyst
reads products by their readable names. Each is a process with a user id of its own, none of which needs an account.
"""

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from .tree import Tree, write_config
from .users import ANALYST, DETECTOR, GROUP, OUTSIDE, STRANGER, WORKER, own, run_as, shared_folder, up_as_worker

COMMAND = """
[command.sum]
argv = ["{python}", "-I", "./sum.py"]
"""
SUM = """
import json, os, pathlib, sys, zlib
job = json.loads(pathlib.Path(sys.argv[1]).read_text())
raw = pathlib.Path(job["inputs"][0]["path"]).read_bytes()
pathlib.Path("deep/er").mkdir(parents=True)
pathlib.Path("deep/er/sum.txt").write_text(f"{zlib.adler32(raw):08x}")
os.chmod("deep", 0o700)
print("summed", job["name"])
pathlib.Path("result.json").write_text(json.dumps({"products": [{"name": "deep/er/sum.txt", "type": "sum"}]}))
"""
STEPS = """
[[pipeline.default.step]]
name = "place"
to = "placed"
makes = "copy"
owned_by = "file"
retries = 0
[[pipeline.default.step]]
name = "sum"
use = "command:sum"
to = "summed"
retries = 0
[[pipeline.default.step]]
name = "catalog"
to = "cataloged"
makes = "nothing"
retries = 0
"""


@pytest.fixture
def shared() -> Iterator[Path]:
    """Give a folder that every user may enter (pytest's own is root's alone)."""
    with shared_folder() as folder:
        yield folder


def may(user: int, group: int, folder: Path, file: Path) -> dict[str, bool]:
    """Say whether a user may list a folder, write there, and read a file."""
    tried = run_as(user, group, TRY, str(folder), str(file))
    assert tried.returncode == 0, tried.stderr
    answer: dict[str, bool] = json.loads(tried.stdout)
    return answer


def everything(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if not path.is_symlink():
            yield path


WRITE = """
import pathlib, sys
inbox = pathlib.Path(sys.argv[1])
for name in sys.argv[2:]:
    path = inbox / "day1" / name
    path.parent.mkdir(exist_ok=True)
    path.with_name("." + name).write_text("raw " + name)
    path.with_name("." + name).rename(path)
"""
READ = """
import json, pathlib, sys
print(json.dumps({word: pathlib.Path(word).read_text() for word in sys.argv[1:]}))
"""
TRY = """
import json, pathlib, sys
folder, file = map(pathlib.Path, sys.argv[1:])
did = {}
for what, do in {
    "list": lambda: list(folder.iterdir()), "write": lambda: (folder / "x").touch(), "read": file.read_bytes
}.items():
    try:
        do()
        did[what] = True
    except PermissionError:
        did[what] = False
print(json.dumps(did))
"""


@pytest.mark.parametrize(
    ("folders", "files", "strangers"), [("2775", "664", True), ("2750", "640", False)], ids=["open", "strict"]
)
def test_three_users_of_a_group_share_all_with_the_modes_of_the_configuration(
    shared: Path, database_url: str, folders: str, files: str, strangers: bool
) -> None:
    dir_mode, file_mode = int(folders, 8), int(files, 8)
    (shared / "sum.py").write_text(SUM)
    own(shared, WORKER, 0o755)  # the instance's lock lies beside its configuration
    own(shared / "daq" / "inbox", DETECTOR, 0o2750)
    own(shared / "work", WORKER, dir_mode)
    modes = f'dir_mode = "{folders}"\nfile_mode = "{files}"'
    sites = f'{modes}\n[site.archive]\npath = "archive"\n{modes}'
    changes = {"place_at": "archive", "sites": sites, "pipeline": STEPS, "more": COMMAND}
    config = write_config(shared, database_url, **changes)
    config.chmod(0o644)
    one = Tree(shared, database_url, **changes)
    names = [f"run1_science_{n}" for n in range(1, 4)]
    try:
        with up_as_worker(shared, config) as up:
            wrote = run_as(DETECTOR, GROUP, WRITE, str(one.inbox), *names, umask="027")
            assert wrote.returncode == 0, wrote.stderr
            before = one.sums()
            one.until(lambda: not up.running() or len([i for i in one.items(1) if i.phase == "done"]) == 3, "done")
            assert one.faults() == []
            assert one.sums() == before
    finally:
        one.close()
    made = [*everything(shared / "work"), shared / "archive", *everything(shared / "archive")]
    wrong = [
        f"{oct(stat.S_IMODE(path.stat().st_mode))} {path.stat().st_uid} {path.stat().st_gid} {path}"
        for path in made
        if (stat.S_IMODE(path.stat().st_mode), path.stat().st_uid, path.stat().st_gid)
        != (dir_mode if path.is_dir() else file_mode, WORKER, GROUP)
    ]
    assert wrong == []
    kinds = {path.name for path in made if path.is_file()}
    assert {"sum.txt", "result.json", "job.json", *names} <= kinds
    assert any(name.endswith(".log") for name in kinds)

    links = sorted(path for path in (shared / "work").rglob("*_sum.txt") if path.is_symlink())
    copies = sorted(path for path in (shared / "archive" / "files").rglob("run1_*") if path.is_symlink())
    assert len(copies) == 3
    read = run_as(ANALYST, GROUP, READ, *map(str, [*links, *copies]))
    assert read.returncode == 0, read.stderr
    assert {Path(path).name: text for path, text in json.loads(read.stdout).items() if "files" in path} == {
        name: f"raw {name}" for name in names
    }
    # The worker may read the inbox and not write there; a stranger gets what the modes give to others: maybe nothing.
    raw, product = one.inbox / "day1" / names[0], links[0].resolve()
    assert may(WORKER, GROUP, one.inbox, raw) == {"list": True, "write": False, "read": True}
    assert may(ANALYST, GROUP, shared / "work", product) == {"list": True, "write": dir_mode & 0o20 != 0, "read": True}
    assert may(STRANGER, OUTSIDE, one.inbox, raw) == {"list": False, "write": False, "read": False}
    for folder, file in ((shared / "work", product), (shared / "archive", copies[0].resolve())):
        assert may(STRANGER, OUTSIDE, folder, file) == {"list": strangers, "write": False, "read": strangers}
