"""The processes: command line, configuration, watcher, conductor, sweeper, and all of them in one tree."""
