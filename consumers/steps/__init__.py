"""The steps, and the contract between a step and the worker that runs it (`api`)."""
