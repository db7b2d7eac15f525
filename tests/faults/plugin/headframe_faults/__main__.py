"""The ordinary command line, with the wraps of this package around it."""

import sys

from . import clock

if __name__ == "__main__":
    clock.shift()  # before anybody asks for the time

    from headframe.daemon.cli import main

    from . import conducting, noticing, publishing, working

    publishing.wrap()
    if "conductor" in sys.argv:
        conducting.wrap()
    if "sweeper" in sys.argv:
        noticing.wrap()
    if "worker" in sys.argv:
        working.wrap()
    sys.exit(main())
