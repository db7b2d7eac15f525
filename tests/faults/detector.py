"""The detector: writes its files at a steady pace, whatever happens to the rest."""

import threading
import time

from .centre import Centre

RUN_FILES = 500


class Detector(threading.Thread):
    """Writes `files` raw files within `seconds`, and closes each run."""

    def __init__(self, centre: Centre, files: int, seconds: float) -> None:
        super().__init__(daemon=True)
        self.centre, self.files, self.pace_s = centre, files, seconds / files
        self.began = time.monotonic()

    def run(self) -> None:
        for number in range(self.files):
            run, place = divmod(number, RUN_FILES)
            ahead = self.began + number * self.pace_s - time.monotonic()
            if ahead > 0:
                time.sleep(ahead)  # the pace of a detector, not a wait for something
            self.centre.write(run + 1, place + 1)
            last = number + 1 == self.files
            if last or place + 1 == RUN_FILES:
                self.centre.close_run(run + 1, place + 1)
