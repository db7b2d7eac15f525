"""Settle work: readable links to what was accepted, and the removal of what was not. Safe to repeat."""

import os
import secrets
import shutil
from pathlib import Path

from ..messages import Settled, SettleItem
from ..steps.api import Site, StepError
from ..steps.files import make_folder, storage_errors
from .storable import one_line


def settle(item: SettleItem, site: Site) -> Settled:
    """Do one settle item; an error is reported and tried again later."""
    try:
        with storage_errors(f"settling {item.path}"):
            if item.action == "clean":
                _clean(site, item.path)
            elif item.link is not None:
                _link(site, item.path, item.link)
    except StepError as error:
        return Settled(id=item.id, done=False, error=one_line(error.sentence))
    return Settled(id=item.id, done=True)


def _clean(site: Site, path: str) -> None:
    folder = site.open_path(path)
    if "attempts" not in Path(path).parts[:1] or ".." in Path(path).parts:
        raise StepErrorForPath(path)
    if folder.exists():
        shutil.rmtree(folder)


def _link(site: Site, path: str, link: str) -> None:
    """Put a relative symbolic link under the readable name, over an older one, never over a real file."""
    folder = make_folder(site, str(Path(link).parent))
    target = os.path.relpath(site.open_path(path), folder)
    name = folder / Path(link).name
    if name.is_symlink() and str(name.readlink()) == target:
        return
    if name.exists() and not name.is_symlink():
        raise StepErrorForPath(link)
    # The name itself may be as long as a name can be, so nothing is added to it.
    fresh = name.with_name(f".link-{secrets.token_hex(8)}")
    fresh.symlink_to(target)
    fresh.replace(name)


class StepErrorForPath(StepError):
    """A path that settle work must not touch."""

    def __init__(self, path: str) -> None:
        super().__init__("not-ours", f"{path} is not an attempt's folder or an old link; it was left alone")
