"""How a daemon is: its loops, what it is connected to, its figures; asked over HTTP at `[monitor] host, port`."""
