"""Sum a run up: what its files hold, and which were left out and why.

A command step of scope `run`: its inputs are the products of the step `read`; `conditions.left_out` names the
files that failed, were abandoned or never came.
"""

import json
import sys
from collections import Counter
from pathlib import Path


def main():
    job = json.loads(Path(sys.argv[-1]).read_text())
    folder = Path(job["folder"])
    read = [json.loads(Path(one["path"]).read_text()) for one in job.get("inputs", [])]
    summary = summed_up(job["run"], read, job.get("conditions", {}).get("left_out", []))
    (folder / "summary.json").write_text(json.dumps(summary, indent=1), encoding="utf-8")
    totals = {name: summary[name] for name in ("files", "bytes", "trees", "entries", "unreadable_branches")}
    result = {
        "products": [{"name": "summary.json", "type": "summary", "metadata": totals}],
        "catalog": {**totals, "left_out": len(summary["left_out"])},
    }
    (folder / "result.json").write_text(json.dumps(result), encoding="utf-8")


def summed_up(run, read, left_out):
    trees = [tree for one in read for tree in one["trees"]]
    objects = Counter()
    for one in read:
        objects.update(one["objects"])
    return {
        "run": run,
        "files": len(read),
        "bytes": sum(one["size"] for one in read),
        "trees": len(trees),
        "entries": sum(tree["entries"] for tree in trees),
        "unreadable_branches": sum(tree["unreadable"] for tree in trees),
        "objects": dict(objects.most_common()),
        "left_out": left_out,
        "contents": sorted(read, key=lambda one: one["file"]),
    }


if __name__ == "__main__":
    main()
