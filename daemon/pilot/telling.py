"""A pilot tells of itself: that it runs, drains, leaves, and now and then that it is still there."""

import threading
from queue import Empty, SimpleQueue

import structlog

from ...consumers.broker import Broker, BrokerUnavailableError, Outgoing
from ...consumers.messages import Report, encode
from ...statemachine.records import PilotWord, Reporter
from .. import wiring
from ..config import Config

log = structlog.get_logger("headframe.pilot")
PRESENCE_S = 10.0
AGAIN_S = 1.0
LAST_WORD_S = 1.5
"""How long a pilot that leaves waits for a broker that is away; its batch system tells of its end as well."""


class Teller:
    """Speaks in a thread of its own, as the broker may be away. The newest word is what counts."""

    def __init__(self, config: Config, reporter: Reporter) -> None:
        self.config, self.reporter = config, reporter
        self._words: SimpleQueue[PilotWord] = SimpleQueue()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="telling", daemon=True)
        self._thread.start()

    def say(self, word: PilotWord) -> None:
        """Say this, as soon as the broker can be reached, and again and again until there is something newer."""
        self._words.put(word)

    def say_last(self, word: PilotWord) -> None:
        """Say this, and that is all; wait until it is said, but not for long."""
        self.say(word)
        self._stop.set()
        self._thread.join(timeout=LAST_WORD_S)

    def _run(self) -> None:
        word = self._words.get()
        try:
            broker = wiring.broker(self.config, "pilot", self._stop)
        except BrokerUnavailableError as error:
            log.error("nothing can be told to the broker", cause=str(error))
            return
        while True:
            word = self._newest(word)
            told = self._publish(broker, word)
            if word.what == "left" and told:
                break
            word = self._next(word, PRESENCE_S if told else AGAIN_S)
        broker.close()

    def _publish(self, broker: Broker, word: PilotWord) -> bool:
        report = Report(reporter=self.reporter, lane="live", draining=word.what != "running", pilot=word)
        try:
            return all(broker.publish([Outgoing(key=wiring.names(self.config).reports("live"), body=encode(report))]))
        except BrokerUnavailableError:
            return False

    def _newest(self, word: PilotWord) -> PilotWord:
        while not self._words.empty():
            word = self._words.get()
        return word

    def _next(self, word: PilotWord, wait_s: float) -> PilotWord:
        try:
            return self._words.get(timeout=wait_s)
        except Empty:
            return word
