"""Read one ROOT file: which trees it has, how many entries, and whether their data can be read.

A command step of headframe: `job.json` in (its path is the last argument), a product and `result.json` out.
Opening a file proves little, so the first entry of some branches of each tree is read as well. A file of which
a whole tree stays unreadable fails, with uproot's own reason.
"""

import json
import sys
import traceback
from collections import Counter
from pathlib import Path

import uproot

TREES = ("TTree", "TNtuple", "TNtupleD", "ROOT::RNTuple", "ROOT::Experimental::RNTuple")
UNREADABLE = 3


class UnreadableError(Exception):
    """The file, or a tree in it, cannot be read: a short code and a sentence."""

    def __init__(self, code, sentence):
        super().__init__(sentence)
        self.code = code


def main():
    job = json.loads(Path(sys.argv[-1]).read_text())
    folder, source = Path(job["folder"]), job["inputs"][0]
    try:
        facts = describe(source["path"], job.get("options", {}).get("branches", 8))
    except UnreadableError as error:
        traceback.print_exc()  # the log has the whole story, the reason is one line
        write(folder / "result.json", {"error": {"code": error.code, "reason": str(error), "permanent": True}})
        return UNREADABLE
    content = source["content"]
    product = {"name": f"{job['name']}.json", "type": "trees", "software": f"uproot {uproot.__version__}"}
    about = {"file": job["name"], "size": content["size"], "checksums": content.get("checksums"), **facts}
    write(folder / product["name"], about)
    write(folder / "result.json", {"products": [product], "catalog": facts})
    return 0


def describe(path, branches):
    """Give the trees of a file and a count of everything else in it."""
    try:
        with uproot.open(path) as file:
            classes = file.classnames(recursive=True, cycle=True)
            trees = [tree(file, name, kind, branches) for name, kind in classes.items() if kind in TREES]
    except UnreadableError:
        raise
    except Exception as error:
        raise UnreadableError(code(error), f"uproot cannot open it: {one_line(error, path)}") from error
    others = Counter(kind for kind in classes.values() if kind not in TREES)
    return {"trees": trees, "objects": dict(sorted(others.items()))}


def tree(file, name, kind, branches):
    """Give a tree's name, entries and branches; raise if it has entries and none of them can be read."""
    try:
        found = file[name]
        entries = int(found.num_entries)
    except Exception as error:
        raise UnreadableError(code(error), f"{kind} {name}: {one_line(error, file.file_path)}") from error
    leaves = [one for one in found.itervalues(recursive=True) if not getattr(one, "branches", None)]
    tried = leaves[:: max(1, len(leaves) // branches)][:branches] if entries and branches else []
    errors = [error for one in tried if (error := failure(one)) is not None]
    if tried and len(errors) == len(tried):
        why = one_line(errors[0], file.file_path)
        raise UnreadableError(code(errors[0]), f"{kind} {name}: no branch of {len(tried)} can be read: {why}")
    return {
        "name": name,
        "class": kind,
        "entries": entries,
        "branches": len(leaves),
        "tried": len(tried),
        "unreadable": len(errors),
    }


def failure(branch):
    """Read a branch's first entry; give what was raised, or None."""
    try:
        branch.array(entry_stop=1, library="np")  # Awkward Arrays cannot hold every C++ object
    except Exception as error:
        return error
    return None


CODES = {
    "DeserializationError": "cannot-deserialize",
    "UnknownInterpretation": "no-interpretation",
    "NotImplementedError": "not-implemented",
    "OSError": "not-root-or-truncated",
    "ValueError": "wrong-content",
}


def code(error):
    """Give the family of a failure, for people who count them."""
    return CODES.get(type(error).__name__, "cannot-read")


def one_line(error, path):
    """Say an error in one line: uproot's own message, without the dump and the path that it comes with."""
    text = getattr(error, "message", None) or str(error) or type(error).__name__
    lines = [line.strip() for line in text.splitlines()]
    kept = [line for line in lines if line and str(path) not in line]
    return " ".join(kept)[:300]


def write(path, content):
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
