"""The disk under the workers, which can be filled."""

import os
import shutil
import subprocess
from pathlib import Path

CHUNK = 1 << 20


class Disk:
    """A small file system of its own at `root`, as root; else the steps are told to behave as if it were full."""

    def __init__(self, root: Path, orders: Path, size_mb: int) -> None:
        self.root, self.orders = root, orders
        self.ballast = root / "ballast"
        self.real = os.geteuid() == 0 and self._mount(size_mb)
        if not self.real:
            print("a full disk is only pretended: to mount a small one takes root")

    def fill(self) -> None:
        """Leave no room."""
        if not self.real:
            (self.orders / "disk is full").touch()
            return
        with self.ballast.open("wb", buffering=0) as out:
            try:
                while out.write(b"\0" * CHUNK):
                    continue
            except OSError:
                return

    def free(self) -> None:
        """Make room again."""
        (self.orders / "disk is full").unlink(missing_ok=True)
        self.ballast.unlink(missing_ok=True)

    def close(self) -> None:
        """Take it away."""
        if self.real:
            subprocess.run(["umount", "--lazy", str(self.root)], check=False)

    def _mount(self, size_mb: int) -> bool:
        mount = shutil.which("mount")
        if mount is None:
            return False
        words = [mount, "-t", "tmpfs", "-o", f"size={size_mb}m,mode=755", "headframe-faults", str(self.root)]
        return subprocess.run(words, capture_output=True, check=False).returncode == 0
