"""The worker: takes work, keeps its lease, reports, drops, drains. It needs a broker and a file system, no more."""
