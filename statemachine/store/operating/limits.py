"""How much is done at once."""

PAGE = 1000
"""Items that one transaction changes."""
MANY = 1000
"""From more items on, a daemon carries the action out, in paced pages, and they go on in the bulk lane."""
SHOWN = 10
"""How many items are named."""
