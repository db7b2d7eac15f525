"""Each process by itself: `headframe watch | conductor | sweeper | worker | web`, until SIGTERM or Ctrl-C."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from ..consumers.broker import BrokerUnavailableError
from ..consumers.worker.settings import SETTLE, new_owner
from ..statemachine.lanes import LANES
from . import logs, wiring
from .config import Config, ConfigError
from .fitting import await_schema, refuse_too_new
from .monitor.monitor import Monitor
from .monitor.readiness import of_broker, of_database
from .stopping import LEAVE_S, stopping

HAND_BACK_S = 3.0
"""So long after its grace a worker may take to report what it hands back."""


class Part(NamedTuple):
    """What tells a part to stop, what it tells of itself, and whether it is a process of its own."""

    stop: threading.Event
    monitor: Monitor
    own: bool

    def started(self) -> None:
        """All loops are there; a tree says so itself, when all its parts are."""
        if self.own:
            self.monitor.started()


def standalone(config: Config) -> threading.Event:
    """Set up the logs of a process of its own; give the event that tells it to stop."""
    logs.set_up(config)
    return stopping(max(LEAVE_S, config.worker.grace_s + HAND_BACK_S))


def alone(config: Config) -> threading.Event:
    """Stand alone as a part that needs a broker between processes. Raises `ConfigError` where there is none."""
    if config.broker.url == "memory:":
        raise ConfigError(
            ["broker.url: memory: works within one process tree only; run headframe up, or set amqp://..."]
        )
    return standalone(config)


@contextmanager
def part(config: Config, role: str, stop: threading.Event | None, monitor: Monitor | None) -> Iterator[Part]:
    """Be a process of its own, with an end point; or a part of a tree, which has both already.

    Who is told to stop while it still waits for its broker has nothing to complain of.
    """
    own = stop is None
    stop = stop or alone(config)
    monitor = monitor or Monitor(role, config.monitor.hang_s)
    if own:
        monitor.open(config)
    try:
        yield Part(stop, monitor, own)
    except BrokerUnavailableError:
        if not stop.is_set():
            raise
    finally:
        if own:
            monitor.close()


def run_watch(config: Config, stop: threading.Event | None = None, monitor: Monitor | None = None) -> None:
    """Watch the inboxes and ask the run databases."""
    from .rundb.poller import Poller
    from .space import Space
    from .watcher.presence import Presence
    from .watcher.watcher import Watcher

    with part(config, "watch", stop, monitor) as here:
        engine = wiring.engine(config, "watch")
        here.monitor.needs("database", of_database(engine))
        if not await_schema(engine, here.stop):
            return
        broker, names = wiring.broker(config, "watch", here.stop), wiring.names(config)
        here.monitor.needs("broker", of_broker(broker))
        Space(engine, wiring.site_roots(config)).start(here.stop)
        Presence(engine, new_owner(), config.detector.heartbeat, config.detector.heartbeat_s).start(here.stop)
        poller = Poller(config, broker, names, loops=here.monitor.loop)
        asking = threading.Thread(target=poller.run, args=(here.stop,), name="rundb", daemon=True)
        asking.start()
        watcher = Watcher(config, broker, names, wiring.known_to(engine), loops=here.monitor.loop)
        here.started()
        watcher.run(here.stop)
        asking.join()
        broker.close()


def run_conductor(
    config: Config,
    stop: threading.Event | None = None,
    lanes: Sequence[str] = LANES,
    monitor: Monitor | None = None,
) -> None:
    """Conduct these lanes, each in a thread of its own."""
    from . import conducting
    from .conductor.depths import Depths
    from .conductor.folding import Folding
    from .conductor.parking import Parking

    with part(config, "conductor", stop, monitor) as here:
        engine = wiring.engine(config, "conductor", pool=max(conducting.SESSIONS, config.database.pool))
        here.monitor.needs("database", of_database(engine))
        if not await_schema(engine, here.stop):
            return
        broker = wiring.broker(config, "conductor", here.stop)
        here.monitor.needs("broker", of_broker(broker))
        conductors = conducting.conductors(config, engine, broker, lanes, here.monitor)
        parking = Parking(engine, broker, wiring.names(config), loop=here.monitor.loop("dead letters"))
        depths = Depths(
            engine,
            broker,
            wiring.names(config),
            (*wiring.step_names(config), SETTLE),
            loop=here.monitor.loop("queue depths"),
        )

        folding = Folding(engine, here.monitor.loop("sums"))

        def wake() -> None:
            for conductor in conductors:
                conductor.wake()
            parking.wake()

        beside = {
            "notices": lambda: wiring.listen(engine, config.instance, wake, here.stop, here.monitor.loop("notices")),
            "dead letters": lambda: parking.run(here.stop),
            "queue depths": lambda: depths.run(here.stop),
            "sums": lambda: folding.run(here.stop),
        }
        threads = [threading.Thread(target=run, name=name, daemon=True) for name, run in beside.items()]
        for thread in threads:
            thread.start()
        here.started()
        _waking(here.stop, wake, lambda: conducting.run(conductors, here.stop))
        for thread in threads:
            thread.join()
        broker.close()


def run_sweeper(config: Config, stop: threading.Event | None = None, monitor: Monitor | None = None) -> None:
    """Sweep, and carry out what operators have ordered of many items."""
    from ..statemachine.store.breaker import Breaker
    from .alerting import Notifier, receivers
    from .alerting.wired import looking, notifying
    from .space import Space
    from .sweeper.alerting import Alerting
    from .sweeper.operations import Operations
    from .sweeper.sweeper import Sweeper, SweeperSettings
    from .tracing.wired import tracing

    with part(config, "sweeper", stop, monitor) as here:
        engine = wiring.engine(config, "sweeper")
        here.monitor.needs("database", of_database(engine))
        if not await_schema(engine, here.stop):
            return
        broker = wiring.broker(config, "sweeper", here.stop)
        here.monitor.needs("broker", of_broker(broker))
        sweeps = config.sweeper
        settings = SweeperSettings(
            interval_s=sweeps.interval_s,
            lost_hint_s=sweeps.lost_hint_s,
            page=sweeps.page,
            breaker=Breaker(failures=sweeps.node_failures, window_s=sweeps.node_window_s, share=sweeps.node_share),
        )
        Space(engine, wiring.site_roots(config)).start(here.stop)
        traces, loop = tracing(config, engine), here.monitor.loop("sweeper")
        told = traces.tell if traces else None
        sweeper = Sweeper(engine, broker, wiring.names(config), settings, loop, told)
        if traces:
            traces.start(here.stop)
        Notifier(engine, receivers(config), notifying(config), here.monitor.hanging).start(here.stop)
        carried_out = Operations(engine, sweeper.owner, loop=here.monitor.loop("operations"))
        operations = threading.Thread(target=carried_out.run, args=(here.stop,), name="operations", daemon=True)
        operations.start()
        Alerting(engine, looking(config), loop=here.monitor.loop("look at alerts")).start(here.stop)
        here.started()
        sweeper.run(here.stop)
        operations.join()
        if traces:
            traces.finish()
        broker.close()


def run_worker(
    config: Config,
    stop: threading.Event | None = None,
    steps: tuple[str, ...] = (),
    name: str = "",
    lanes: Sequence[str] = LANES,
    monitor: Monitor | None = None,
) -> None:
    """Work on steps, of these lanes."""
    from ..consumers.worker.worker import Worker

    with part(config, "worker", stop, monitor) as here:
        broker = wiring.broker(config, "worker", here.stop)
        here.monitor.needs(f"broker of {name}" if name else "broker", of_broker(broker))
        settings = wiring.worker_settings(config, steps, name, lanes)
        worker = Worker(
            broker, wiring.names(config), settings, here.stop, beat=here.monitor.loop(name or "worker").beat
        )
        here.started()
        _waking(here.stop, worker.wake, worker.run)
        broker.close()


def run_web(config: Config, stop: threading.Event | None = None) -> None:
    """Serve the pages."""
    # Only here: the pages and their packages are more than half of what any other process would load as it starts.
    from ..web.app import create_app
    from ..web.serve import serve

    engine = wiring.engine(config, "web", pool=8)
    refuse_too_new(engine)
    app = create_app(engine, wiring.web_settings(config))
    serve(app, config.web.host, config.web.port, stop or standalone(config))


def _waking(stop: threading.Event, wake: Callable[[], None], run: Callable[[], None]) -> None:
    """Run something that waits for messages, and wake it when it shall stop."""

    def watch() -> None:
        stop.wait()
        wake()

    threading.Thread(target=watch, name="stopping", daemon=True).start()
    run()
