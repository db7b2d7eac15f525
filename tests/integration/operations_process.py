"""A daemon that carries out operations, as a process of its own: `python operations_process.py URL SILENT_S PAGE`."""

import sys
import threading

from headframe.daemon.sweeper.operations import Operations
from headframe.statemachine.database import connect
from headframe.statemachine.store.operating import limits

if __name__ == "__main__":
    url, silent_s, page = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
    limits.PAGE = page
    Operations(connect(url, "headframe"), f"runner-{threading.get_native_id()}", silent_s).run(threading.Event())
