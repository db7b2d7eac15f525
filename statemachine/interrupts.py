"""What an interrupt costs its item, by its reason code."""

COUNTED = ("lost-lease", "worker-died", "over-limit", "node-failed", "delivery-limit")
"""It may be the item's own fault: after so many on different nodes it has failed."""
ESCALATED = ("walltime", "memory")
"""It asks for more, once."""
POLITE = ("drain", "given-back", "preempted", "pilot-ended")
"""It costs nothing at all and is nobody's failure: it is tried again at once, belongs to no family, and counts against
no node. SQL that says the same (queries.sql, migrations) is held to this by a test."""
