"""What pilots run in these tests: notes that it began, goes on while it is told to hold, writes a product."""

import json
import os
import sys
import time
from pathlib import Path

job = json.loads(Path(sys.argv[-1]).read_text(encoding="utf-8"))
orders = Path(os.environ["HEADFRAME_TEST_ORDERS"])
name = job["name"]
with (orders / "steps").open("a", encoding="utf-8") as book:
    book.write(f"{name} {job['epoch']} {os.environ.get('SLURM_JOB_ID', '')} {os.environ.get('SLURMD_NODENAME', '')}\n")
while (orders / "hold").exists() or (orders / f"hold {name}").exists():
    time.sleep(0.05)
while (orders / f"eat {name}").exists():  # until SLURM ends it
    bytearray(50_000_000).find(b"x")
source = Path(job["inputs"][0]["path"]).read_bytes()
Path("product.bin").write_bytes(source.upper())
Path("result.json").write_text(json.dumps({"products": [{"name": "product.bin", "type": "reconstructed"}]}))
