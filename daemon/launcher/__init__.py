"""The launcher: keeps as many pilots as there is work for. It knows a batch system and the REST API, nothing else."""
