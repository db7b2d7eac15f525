"""The queues after a restore: what lies in them is of the time that is lost."""

from collections.abc import Callable
from contextlib import suppress

from ...consumers.broker import BrokerRefusedError, BrokerUnavailableError
from .. import wiring
from ..config import Config, ConfigError


def purge(config: Config, tell: Callable[[str], None]) -> None:
    """Empty the instance's queues, as far as the broker is there.

    Harmless where it cannot be done: nothing in them counts any more. It only spares workers some work for nothing.
    """
    if config.broker.url == "memory:":
        return
    try:
        broker = wiring.connected(config, "restore")
    except (BrokerUnavailableError, ConfigError, OSError) as error:
        tell(f"the queues were not emptied ({error}); what is in them will be counted as late")
        return
    gone = 0
    for queue in wiring.topology(config).queues:
        with suppress(BrokerRefusedError, BrokerUnavailableError):
            gone += broker.purge(queue.name)
    broker.close()
    tell(f"the queues were emptied: {gone} messages of the time after the backup")
