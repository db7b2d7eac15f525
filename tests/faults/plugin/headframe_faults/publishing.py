"""Messages on their way to the broker: doubled, delayed, reordered, or lost though they seem confirmed."""

import contextlib
import os
import random
import threading
from typing import Any

from .orders import note, rates


class Garbler:
    """Garbles what is published, as often as the suite says. `kept` is a message that the next one overtakes."""

    def __init__(self, send: Any) -> None:
        self.send = send
        self.chance = random.Random(os.environ.get("HEADFRAME_FAULTS_SEED", ""))
        self.kept: list[Any] = []

    def publish(self, broker: Any, messages: Any) -> Any:
        """Send, or not; say for each message whether it seems confirmed."""
        wanted = rates()
        if not wanted and not self.kept:
            return self.send(broker, messages)
        overtaken, self.kept = self.kept, []
        on_time = []
        for place, message in enumerate(messages):
            fate = _fate(message, wanted, self.chance)
            if fate in ("", "twice"):
                on_time += [place] * (2 if fate else 1)
            elif fate == "late":
                self._after(self.chance.uniform(0.2, wanted["late_s"]), broker, message)
            elif fate == "overtaken":
                self.kept.append(message)
        results = [True] * len(messages)
        confirmed = self.send(broker, [messages[place] for place in on_time])
        for place, ok in zip(on_time, confirmed, strict=True):
            results[place] &= ok
        if overtaken:
            self._after(0.0, broker, *overtaken)
        return results

    def _after(self, seconds: float, broker: Any, *messages: Any) -> None:
        """Send later, from a thread of its own: nobody waits for it."""
        timer = threading.Timer(seconds, self._late, (broker, messages))
        timer.daemon = True
        timer.start()

    def _late(self, broker: Any, messages: Any) -> None:
        from headframe.consumers.broker.base import BrokerUnavailableError

        with contextlib.suppress(BrokerUnavailableError):  # then they are lost, as with a broker that is wiped
            self.send(broker, list(messages))


def wrap() -> None:
    """Garble what is published."""
    from headframe.consumers.broker.rabbit import RabbitBroker

    garbler = Garbler(RabbitBroker.publish)

    def publish(self: Any, messages: Any) -> Any:
        return garbler.publish(self, messages)

    RabbitBroker.publish = publish  # type: ignore[method-assign]


def _fate(message: Any, wanted: dict[str, float], chance: random.Random) -> str:
    """Choose what becomes of a message, and note it."""
    if ".work." in message.key:
        return _drawn(wanted, chance, {"twice": "work doubled"})
    if ".reports." not in message.key:
        return ""
    if b'"beats":[[' in message.body and b'"outcomes":[]' in message.body:
        return _drawn(wanted, chance, {"lost": "heartbeat lost"})
    fates = {"twice": "report doubled", "late": "report delayed", "overtaken": "report overtaken by the next one"}
    return _drawn(wanted, chance, fates)


def _drawn(wanted: dict[str, float], chance: random.Random, names: dict[str, str]) -> str:
    for fate, name in names.items():
        if chance.random() < wanted.get(name, 0.0):
            note("faults", name)
            return fate
    return ""
