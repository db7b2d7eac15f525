"""Names of files as people can read them, whatever bytes they are made of."""

LONGEST = 2000


def printable(path: str) -> str:
    """Give a path on one line: line ends, control characters and bytes that are no UTF-8 as escapes."""
    return "".join(char if char.isprintable() else _escaped(char) for char in path)[:LONGEST]


def is_utf8(path: str) -> bool:
    """Say whether a path read from the file system was valid UTF-8."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _escaped(char: str) -> str:
    # Python reads a byte that is no UTF-8 as a lone surrogate (PEP 383).
    if "\udc80" <= char <= "\udcff":
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char.encode("unicode_escape").decode("ascii")
