"""Walk through an inbox, folder by folder, without holding more than the folders still to visit."""

import os
from collections.abc import Iterator

from .look import Refused
from .names import Names


def walk(root: str, names: Names) -> Iterator[tuple[str, os.DirEntry[str] | Refused]]:
    """Give each path below `root` that is not a folder, and each folder that cannot be read with the reason.

    Linked folders are not entered: what they lead to inside the inbox is found at its own place.
    """
    folders = [""]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(f"{root}/{folder}") as entries:
                for entry in entries:
                    path = f"{folder}{entry.name}"
                    if not entry.is_dir(follow_symlinks=False):
                        yield path, entry
                    elif not names.ignored(path):
                        folders.append(f"{path}/")
        except OSError as error:
            # A folder that has gone meanwhile is no trouble, but the inbox itself has to be there.
            if not folder or not isinstance(error, FileNotFoundError):
                sentence = f"the folder cannot be read: {os.strerror(error.errno or 0)}"
                yield folder.rstrip("/") or ".", Refused(code="unreadable", sentence=sentence)
