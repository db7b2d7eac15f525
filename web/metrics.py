"""/metrics: what Prometheus scrapes, read at that moment. No label carries a run, a file or an owner."""

import time
from collections.abc import Callable, Iterator

from flask import Blueprint, Flask, Response, current_app, g, request
from prometheus_client import CollectorRegistry, Gauge, Histogram
from prometheus_client.core import InfoMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from .. import __version__
from ..statemachine.database import DatabaseUnavailableError
from . import alert_metrics, measured, metric_places, metric_sums
from .context import here, reading
from .gauges import filled, gauge
from .measures import Measures, measure

REGISTRY = "headframe-metrics"
LATENCIES = "headframe-latencies"
VIEWERS = "headframe-viewers"
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
blueprint = Blueprint("metrics", __name__)


def install(app: Flask) -> None:
    """Add the page, a registry of the application's own, and the measuring of each answer's time."""
    registry = CollectorRegistry(auto_describe=False)
    app.extensions[REGISTRY] = registry
    app.extensions[LATENCIES] = Histogram(
        "headframe_web_request_seconds", "Time to answer a request, at the server", ["route", "status"],
        registry=registry, buckets=BUCKETS,
    )  # fmt: skip
    app.extensions[VIEWERS] = Gauge("headframe_web_viewers", "Open pages that are told of changes", registry=registry)
    registry.register(KeptCounts())
    app.before_request(_begin)
    app.after_request(_end)
    app.register_blueprint(blueprint)


def watch_viewers(app: Flask, count: Callable[[], int]) -> None:
    """Have it counted how many event streams are open; under another server than ours there is none."""
    app.extensions[VIEWERS].set_function(count)


@blueprint.get("/metrics")
def metrics() -> Response:
    """Give all metrics in Prometheus' text format, or in that of OpenMetrics for who asks for it."""
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    shown = encode(current_app.extensions[REGISTRY])
    return Response(shown, headers={"Content-Type": content_type, "Cache-Control": "no-store", "Vary": "Accept"})


class KeptCounts(Collector):
    """Reads the database when scraped; while it is away, `headframe_database_up` is 0 and the rest is absent."""

    def describe(self) -> list[Metric]:
        """Say nothing beforehand, so that registering asks the database nothing."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Give what the database says now."""
        yield InfoMetricFamily("headframe_build", "The version of this web process", value={"version": __version__})
        up = gauge("database_up", "Whether the database answered this scrape")
        try:
            with reading() as connection:
                found = [*_families(measure(connection)), *alert_metrics.families(connection)]
        except DatabaseUnavailableError:
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        yield from found


def _families(now: Measures) -> Iterator[Metric]:
    items = gauge("items", "Items of the machine", "scope", "step", "lane", "state", "phase")
    for each in now.items:
        items.add_metric(each[:5], each.n)
    yield items
    yield filled(gauge("replicas", "Copies at sites", "site", "role", "status"), now.copies)
    age = gauge("oldest_ready_seconds", "How long the oldest at the head of a queue has waited", "step", "lane")
    yield filled(age, now.oldest)
    yield filled(gauge("dead_letters", "Dead letters not cleared", "code"), {(c,): n for c, n in now.dead.items()})
    leases = gauge("leases", "Attempts that hold a lease", "step", "lease")
    for step, (running, expired) in now.leases.items():
        leases.add_metric([step, "running"], running)
        leases.add_metric([step, "expired"], expired)
    yield leases
    yield from measured.families(now.day, now.done, now.unfolded)
    yield from metric_places.families(now.around, here().instance, now.at)
    yield from metric_sums.families(now.sums, now.places, [site.name for site in now.around.sites], now.at)


def _begin() -> None:
    g.began = time.perf_counter()


def _end(response: Response) -> Response:
    took = time.perf_counter() - g.began
    route = request.url_rule.rule if request.url_rule else "(none)"
    current_app.extensions[LATENCIES].labels(route, str(response.status_code)).observe(took)
    response.headers["Server-Timing"] = f"app;dur={took * 1000:.1f}"
    return response
