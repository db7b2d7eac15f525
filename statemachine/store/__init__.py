"""The store: one function a transition, each a compare-and-set on a set of items, in the caller's transaction."""
