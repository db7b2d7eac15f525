"""What each process is: here, what it loads as it starts."""

import subprocess
import sys


def test_only_the_web_process_loads_what_the_pages_need() -> None:
    loaded = "import sys, headframe.daemon.processes; print({'flask', 'apiflask', 'uvicorn'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
