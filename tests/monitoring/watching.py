"""An instance under the eyes of a Prometheus, whose alerts an Alertmanager brings to a receiver. All of it is real.

Rules are those of the catalogue; only how long something must be so is shortened.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

from headframe.daemon.monitoring.alertmanager import Hook, Telling, alertmanager
from headframe.daemon.monitoring.rules import WATCHDOG, name_of, rules
from headframe.daemon.monitoring.scraping import Scraping, Target, prometheus
from headframe.statemachine.alerting import BY_CODE, Limits

from ..integration.prometheus_server import AlertmanagerServer, PrometheusServer, Receiver
from ..integration.servers import wait_until

SCALE = 0.02
EVERY_S = 1.0
WATCHDOG_S = 2.0
LONG_S = 150.0


class Watch:
    """Who watches. `fires` and `clears` say what has arrived at the receiver."""

    def __init__(self, servers: tuple[PrometheusServer, AlertmanagerServer, Receiver, Receiver], instance: str) -> None:
        self.prometheus, self.alertmanager, self.receiver, self.kennel = servers
        self.instance = instance

    def begin(self, limits: Limits, web: str, daemons: Sequence[Target] = ()) -> None:
        """Start both with what headframe makes for them, but impatient."""
        self._write("headframe.rules.yml", rules(self.instance, limits, scale=SCALE))
        hooks = (Hook(self.receiver.url),)
        told = Telling(hooks=hooks, wait_s=0.2, interval_s=1, watchdog=self.kennel.url, watchdog_s=WATCHDOG_S)
        self.alertmanager.start(yaml.safe_dump(alertmanager(told)))
        asked = Scraping(
            instance=self.instance,
            web=(web,),
            daemons=tuple(daemons),
            alertmanagers=(f"127.0.0.1:{self.alertmanager.port}",),
            every_s=EVERY_S,
        )
        self.prometheus.start(yaml.safe_dump(prometheus(asked)))

    def fires(self, *codes: str, seconds: float = LONG_S) -> None:
        """Wait until these were told as firing, each with the labels and words that its rule has."""
        self._until(lambda: all(self.receiver.last(code) == "firing" for code in codes), f"{codes} told", seconds)
        for code in codes:
            said = self.receiver.alert(code)
            assert said["labels"]["alertname"] == name_of(BY_CODE[code])
            assert said["labels"]["headframe"] == self.instance
            assert "headframe " in said["annotations"]["description"], "it names a command"

    def clears(self, *codes: str, seconds: float = LONG_S) -> None:
        """Wait until these were told as over."""
        self._until(lambda: all(self.receiver.last(code) == "resolved" for code in codes), f"{codes} over", seconds)

    def barks(self) -> None:
        """Wait until whoever misses the watchdog has heard it twice more. People never hear it."""
        heard = len(self.kennel.told)
        self._until(lambda: len(self.kennel.told) >= heard + 2, "the watchdog heard twice")
        assert set(self.kennel.statuses()) == {WATCHDOG}
        assert self.receiver.last(WATCHDOG) == ""

    def firing(self) -> set[str]:
        """Name those that people were told of last as firing."""
        return {code for code, said in self.receiver.statuses().items() if said == "firing"}

    def scraped(self) -> None:
        """Wait until every target answers."""
        self._until(lambda: set(self.prometheus.targets().values()) == {"up"}, "every target up")

    def evaluated(self) -> list[dict[str, Any]]:
        """Give the rules once each has been evaluated."""
        self._until(lambda: all(rule["health"] != "unknown" for rule in self.prometheus.rules()), "rules evaluated")
        return self.prometheus.rules()

    def families(self) -> set[str]:
        """Name the families that were scraped, those without a sample too, and those that rules record."""
        scraped = self.prometheus.get("/api/v1/metadata")["data"]
        recorded = {rule["name"] for rule in self.prometheus.rules() if rule["type"] == "recording"}
        return recorded | set(scraped) | {f"{name}_total" for name in scraped}

    def _until(self, true: Callable[[], bool], what: str, seconds: float = LONG_S) -> None:
        try:
            wait_until(true, seconds, what)
        except TimeoutError as error:
            stands = [*map(str, self.prometheus.alerts()), *map(str, self.prometheus.targets().items())]
            raise AssertionError("\n".join([str(error), *stands, str(self.receiver.statuses())])) from error

    def _write(self, name: str, made: dict[str, Any]) -> Path:
        file = self.prometheus.folder / name
        file.write_text(yaml.safe_dump(made, sort_keys=False))
        return file
