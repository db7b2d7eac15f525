"""What the store refuses."""


class NotFoundError(Exception):
    """There is no such run, file, campaign or site. The text names it."""


class RefusedError(Exception):
    """The present state forbids it. The text says why and what would help."""
