"""Run metadata: what a run database, a manifest or a table says of runs. Slow or away, it delays nothing else."""
