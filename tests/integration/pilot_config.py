"""A configuration of pilots for a private SLURM: the service and the broker are where nobody is, unless said."""

import sys
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src"
CONFIG = """
instance = "{instance}"
[database]
url = "postgresql://127.0.0.1:1/none"
[broker]
url = "{broker}"
{sign_in}
[site.work]
path = "work"
[site.daq]
path = "daq"
kind = "source"
[worker]
work_site = "work"
[[pipeline.default.step]]
name = "place"
to = "placed"
makes = "copy"
[launcher]
url = "{url}"
logs = "logs"
interval_s = 1
back_end = "{back_end}"
command = ["env", "PYTHONPATH={source}", "{python}", "-m", "headframe"]
{launcher}
[pilot.reco]
steps = ["place"]
{pilot}
"""


def pilot_config(
    folder: Path,
    pilot: str = "",
    launcher: str = "",
    *,
    url: str = "http://127.0.0.1:1",
    broker: str = "amqp://127.0.0.1:1/",
    sign_in: str = "",
    instance: str = "headframe",
    back_end: str = "commands",
) -> Path:
    """Write it, with one name of pilots, `reco`."""
    for name in ("work", "daq", "logs"):
        (folder / name).mkdir(exist_ok=True)
    if "walltime" not in pilot:
        pilot = f'walltime = "0:10:00"\n{pilot}'
    file = folder / "headframe.toml"
    text = CONFIG.format(
        pilot=pilot, launcher=launcher, url=url, broker=broker, sign_in=sign_in, instance=instance,
        back_end=back_end, source=SOURCE, python=sys.executable,
    )  # fmt: skip
    file.write_text(text)
    return file
