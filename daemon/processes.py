"""Each process by itself: `headframe watch | conductor | sweeper | worker | web`, until SIGTERM or Ctrl-C."""

import threading
from collections.abc import Callable, Sequence

from ..consumers.worker.settings import SETTLE, new_owner
from ..consumers.worker.worker import Worker
from ..statemachine.lanes import LANES
from ..statemachine.store.breaker import Breaker
from . import conducting, logs, wiring
from .alerting import Notifier, receivers
from .alerting.wired import looking, notifying
from .conductor.depths import Depths
from .conductor.parking import Parking
from .config import Config, ConfigError
from .fitting import await_schema, refuse_too_new
from .rundb.poller import Poller
from .space import Space
from .stopping import stopping
from .sweeper.operations import Operations
from .sweeper.sweeper import Sweeper, SweeperSettings
from .watcher.presence import Presence
from .watcher.watcher import Watcher


def standalone(config: Config) -> threading.Event:
    """Set up the logs of a process of its own; give the event that tells it to stop."""
    logs.set_up(config)
    return stopping()


def alone(config: Config) -> threading.Event:
    """Stand alone as a part that needs a broker between processes. Raises `ConfigError` where there is none."""
    if config.broker.url == "memory:":
        raise ConfigError(
            ["broker.url: memory: works within one process tree only; run headframe up, or set amqp://..."]
        )
    return standalone(config)


def run_watch(config: Config, stop: threading.Event | None = None) -> None:
    """Watch the inboxes and ask the run databases."""
    stop = stop or alone(config)
    engine = wiring.engine(config, "watch")
    if not await_schema(engine, stop):
        return
    broker, names = wiring.broker(config, "watch", stop), wiring.names(config)
    Space(engine, wiring.site_roots(config)).start(stop)
    Presence(engine, new_owner(), config.detector.heartbeat, config.detector.heartbeat_s).start(stop)
    poller = Poller(config, broker, names)
    asking = threading.Thread(target=poller.run, args=(stop,), name="rundb", daemon=True)
    asking.start()
    Watcher(config, broker, names, wiring.known_to(engine)).run(stop)
    asking.join()
    broker.close()


def run_conductor(config: Config, stop: threading.Event | None = None, lanes: Sequence[str] = LANES) -> None:
    """Conduct these lanes, each in a thread of its own."""
    stop = stop or alone(config)
    engine = wiring.engine(config, "conductor", pool=max(conducting.SESSIONS, config.database.pool))
    if not await_schema(engine, stop):
        return
    broker = wiring.broker(config, "conductor", stop)
    conductors = conducting.conductors(config, engine, broker, lanes)
    parking = Parking(engine, broker, wiring.names(config))

    def wake() -> None:
        for conductor in conductors:
            conductor.wake()
        parking.wake()

    listening = threading.Thread(
        target=wiring.listen, args=(engine, config.instance, wake, stop), name="notices", daemon=True
    )
    listening.start()
    burying = threading.Thread(target=parking.run, args=(stop,), name="dead letters", daemon=True)
    burying.start()
    depths = Depths(engine, broker, wiring.names(config), (*wiring.step_names(config), SETTLE))
    looking = threading.Thread(target=depths.run, args=(stop,), name="queue depths", daemon=True)
    looking.start()
    _waking(stop, wake, lambda: conducting.run(conductors, stop))
    listening.join()
    burying.join()
    looking.join()
    broker.close()


def run_sweeper(config: Config, stop: threading.Event | None = None) -> None:
    """Sweep, and carry out what operators have ordered of many items."""
    stop = stop or alone(config)
    engine = wiring.engine(config, "sweeper")
    if not await_schema(engine, stop):
        return
    broker = wiring.broker(config, "sweeper", stop)
    sweeps = config.sweeper
    settings = SweeperSettings(
        interval_s=sweeps.interval_s,
        lost_hint_s=sweeps.lost_hint_s,
        page=sweeps.page,
        breaker=Breaker(failures=sweeps.node_failures, window_s=sweeps.node_window_s, share=sweeps.node_share),
        looking=looking(config),
    )
    Space(engine, wiring.site_roots(config)).start(stop)
    sweeper = Sweeper(engine, broker, wiring.names(config), settings)
    Notifier(engine, receivers(config), notifying(config)).start(stop)
    operations = threading.Thread(
        target=Operations(engine, sweeper.owner).run, args=(stop,), name="operations", daemon=True
    )
    operations.start()
    sweeper.run(stop)
    operations.join()
    broker.close()


def run_worker(
    config: Config,
    stop: threading.Event | None = None,
    steps: tuple[str, ...] = (),
    name: str = "",
    lanes: Sequence[str] = LANES,
) -> None:
    """Work on steps, of these lanes."""
    stop = stop or alone(config)
    broker = wiring.broker(config, "worker", stop)
    worker = Worker(broker, wiring.names(config), wiring.worker_settings(config, steps, name, lanes), stop)
    _waking(stop, worker.wake, worker.run)
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
