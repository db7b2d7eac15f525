"""The truth: the machine, its pipelines, its schema and the store with one function a transition."""
