"""The batch system: one contract, kept by pyslurm, by SLURM's commands, by slurmrestd and by local processes."""
