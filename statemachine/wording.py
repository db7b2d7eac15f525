"""How numbers are said to people, the same in answers, pages and commands."""


def plural(n: int, word: str) -> str:
    """Write a number with its noun."""
    return f"{n:,} {word}" if n == 1 else f"{n:,} {word}s"
