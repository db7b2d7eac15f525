"""Messages on their way to the broker: doubled, delayed (and so reordered), or lost though they seem confirmed."""

import contextlib
import os
import random
import threading
from typing import Any

from .orders import note, rates


def wrap() -> None:
    """Garble what is published, as often as the suite says."""
    from headframe.consumers.broker.base import BrokerUnavailableError
    from headframe.consumers.broker.rabbit import RabbitBroker

    send = RabbitBroker.publish
    chance = random.Random(os.environ.get("HEADFRAME_FAULTS_SEED", ""))

    def later(broker: Any, message: Any) -> None:
        with contextlib.suppress(BrokerUnavailableError):  # then it is lost, as with a broker that is wiped
            send(broker, [message])

    def publish(broker: Any, messages: Any) -> Any:
        wanted = rates()
        if not wanted:
            return send(broker, messages)
        on_time = []
        for place, message in enumerate(messages):
            fate = _fate(message, wanted, chance)
            if fate in ("", "twice"):
                on_time += [place] * (2 if fate else 1)
            elif fate == "late":
                timer = threading.Timer(chance.uniform(0.2, wanted["late_s"]), later, (broker, message))
                timer.daemon = True
                timer.start()
        results = [True] * len(messages)
        confirmed = send(broker, [messages[place] for place in on_time])
        for place, ok in zip(on_time, confirmed, strict=True):
            results[place] &= ok
        return results

    RabbitBroker.publish = publish  # type: ignore[method-assign]


def _fate(message: Any, wanted: dict[str, float], chance: random.Random) -> str:
    """Choose what becomes of a message, and note it."""
    if ".work." in message.key:
        return _drawn(wanted, chance, {"twice": "work doubled"})
    if ".reports." not in message.key:
        return ""
    if b'"beats":[[' in message.body and b'"outcomes":[]' in message.body:
        return _drawn(wanted, chance, {"lost": "heartbeat lost"})
    return _drawn(wanted, chance, {"twice": "report doubled", "late": "report delayed"})


def _drawn(wanted: dict[str, float], chance: random.Random, names: dict[str, str]) -> str:
    for fate, name in names.items():
        if chance.random() < wanted.get(name, 0.0):
            note("faults", name)
            return fate
    return ""
