"""`headframe slurm doctor`: whether pilots can be started on this cluster, and can work on its nodes."""
