"""The base of what a view gives."""

from ..records import Record


class View(Record, omit_defaults=False):
    """A record for people and programs: on the wire every field is there, empty or not."""
