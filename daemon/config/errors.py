"""What is wrong with a configuration: every mistake on one line that begins with its key."""

from collections.abc import Iterable


class ConfigError(ValueError):
    """A configuration with mistakes. `mistakes` holds all of them, each beginning with its key."""

    def __init__(self, mistakes: Iterable[str], source: str = "") -> None:
        self.mistakes = tuple(mistakes)
        self.source = source
        head = f"{source}: " if source else ""
        super().__init__("\n".join(f"{head}{mistake}" for mistake in self.mistakes))


class Mistakes:
    """Collects mistakes; one a key, for a second one on the same key is mostly a consequence of the first.

    `origins` maps a key to the environment variable that set it, so that the reader looks in the right place.
    """

    def __init__(self) -> None:
        self.found: dict[str, str] = {}
        self.origins: dict[str, str] = {}

    def add(self, key: str, what: str) -> None:
        """Note what is wrong with a key, unless something is noted already."""
        origin = f" (from {self.origins[key]})" if key in self.origins else ""
        self.found.setdefault(key, f"{key}{origin}: {what}")

    def add_unknown(self, key: str, what: str, name: str, allowed: Iterable[str]) -> None:
        """Note that `name` is none of `allowed`, with the nearest of them."""
        self.add(key, f"{what}{suggest(name, allowed)}")


def suggest(name: str, allowed: Iterable[str]) -> str:
    """Give `; did you mean "x"? allowed: ...` for a name that is none of those allowed."""
    from difflib import get_close_matches

    names = sorted(allowed)
    if not names:
        return "; none is configured"
    near = get_close_matches(name, names, n=1)
    hint = f'; did you mean "{near[0]}"?' if near else ";"
    return f"{hint} allowed: {', '.join(names)}"
