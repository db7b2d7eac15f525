"""The detector: writes its files at a steady pace, whatever happens to the rest."""

import threading
import time

from .centre import Centre

RUN_FILES = 500


class Detector(threading.Thread):
    """Writes raw files until it is told to stop, at least so many, each `pace_s`; closes each run."""

    def __init__(self, centre: Centre, least: int, pace_s: float) -> None:
        super().__init__(daemon=True)
        self.centre, self.least, self.pace_s = centre, least, pace_s
        self.over = threading.Event()
        self.written = 0

    def run(self) -> None:
        due = time.monotonic()
        while self.written < self.least or not self.over.is_set():
            self.over.wait(max(0.0, due - time.monotonic()))
            due += self.pace_s
            run, place = divmod(self.written, RUN_FILES)
            if not place:
                self.centre.open_run(run + 1)  # its type is known from the start: else its files are held until its end
            self.centre.write(run + 1, place + 1)
            self.written += 1
            if place + 1 == RUN_FILES:
                self.centre.close_run(run + 1, RUN_FILES)
        if self.written % RUN_FILES:
            self.centre.close_run(self.written // RUN_FILES + 1, self.written % RUN_FILES)

    def stop(self) -> int:
        """Let it end; give how many files it wrote."""
        self.over.set()
        self.join()
        return self.written
