"""headframe from a notebook or a program: what runs there are, why one waits, and products straight into uproot.

    from headframe.client import Client

    with Client("https://headframe.example.org", token_file="~/.headframe-token") as lab:
        for run in lab.runs(kind="science", incomplete=True):
            print(run.number, lab.why_run(run.number).sentence)
        tree = lab.open_product(1201, sequence=17, kind="reconstructed")["events"]

A token that may only read is enough for all of that. What it gives are the same records as everywhere in headframe.
"""

from .acting import Receipt
from .client import Client
from .errors import ClientError, NotThereError, ProblemError, UnreachableError

__all__ = ["Client", "ClientError", "NotThereError", "ProblemError", "Receipt", "UnreachableError"]
