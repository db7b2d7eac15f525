"""The pilot: a job on a compute node that starts workers, watches over them, and leaves in time."""
