"""The records of a configuration. docs/configuration.md and examples/headframe.toml explain each field."""

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from ...consumers.steps.api import Site
from ...statemachine.lanes import LANES
from ...statemachine.pipeline import Pipeline, RunType, Step, build
from ...statemachine.records import Record
from .access import Access
from .alerting import AlertsConfig, DetectorConfig
from .launching import LauncherConfig, PilotConfig
from .tracing import TracingConfig
from .types import Count, FileMode, FolderMode, Port, Prefix, Seconds, Share

LARGEST_RUN = 2**63 - 1


class Database(Record):
    """Where PostgreSQL is: a `url`, or the folder of an `embedded` one that `headframe up` starts.

    `roles` gives other names to the roles of `headframe db roles`.
    """

    url: str = ""
    embedded: Path | None = None
    password_file: Path | None = None
    pool: Count = 5
    roles: dict[str, str] = {}


class BrokerConfig(Record):
    """Where the broker is: `memory:` (one process only), or amqp(s)://host:port/vhost.

    `management` is the URL of RabbitMQ's management API, if policies may be set and looked at there.
    """

    url: str = "memory:"
    user: str = ""
    password_file: Path | None = None
    cafile: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    delivery_limit: Count = 10
    management: str = ""
    management_user: str = ""
    management_password_file: Path | None = None


class Web(Record):
    """Where the pages and the REST API listen; port 0 takes a free one. `url` is the address that people know.

    So many `proxies` in front are believed when they say for whom they ask.
    """

    host: str = "127.0.0.1"
    port: Port = 8080
    url: str = ""
    proxies: Annotated[int, msgspec.Meta(ge=0, le=10)] = 0


class SiteConfig(Record):
    """A storage place. `paths` gives its root for other classes of host than the one `path` is for."""

    path: Path
    paths: dict[str, Path] = {}
    kind: Literal["source", "processing", "archive"] = "processing"
    dir_mode: FolderMode = FolderMode(0o2775)
    file_mode: FileMode = FileMode(0o664)
    group: str | None = None


class Inbox(Record):
    """A folder in which raw files arrive. `pattern` must match all of the path below the inbox."""

    site: str
    pattern: str
    path: str = ""
    ignore: tuple[str, ...] = (".*", "*.tmp", "*.part")
    arrival: Literal["closed", "semaphore", "manifest"] = "closed"
    semaphore: str = "{name}.done"
    manifest: str | None = None
    kind: str | None = None
    max_run: Annotated[int, msgspec.Meta(ge=0, le=LARGEST_RUN)] = LARGEST_RUN
    stable_s: Seconds = 5.0
    scan_s: Seconds = 10.0
    resend_s: Seconds = 10.0
    recheck_s: Seconds = 600.0
    manifest_wait_s: Seconds = 600.0
    follow_symlinks: bool = False
    watch: bool = True


class RunDBConfig(Record):
    """A source of run metadata: `use` names an entry point in `headframe.rundb`, `options` are its own."""

    use: str
    poll_s: Seconds = 5.0
    timeout_s: Seconds = 30.0
    options: dict[str, Any] = {}


class RunTypeConfig(Record):
    """How runs of one type go: through which pipeline, past which steps, to which sites."""

    pipeline: str = "default"
    bypass: tuple[str, ...] = ()
    placed_when: tuple[str, ...] = ()
    duplicates: Literal["hold", "allow"] = "hold"


class PipelineConfig(Record):
    """A pipeline as it is written down: ordered steps between states."""

    steps: tuple[Step, ...] = msgspec.field(name="step")
    initial: str = "arrived"


class Command(Record):
    """A program that a step with `use = "command:<name>"` runs. An exit code not listed is a fail (0: done).

    Words of `argv` that begin with `./` or `../` start at the configuration's folder.
    """

    argv: tuple[str, ...]
    setup: Path | None = None
    image: str | None = None
    exit_codes: dict[int, Literal["fail", "interrupt", "skip"]] = {}
    environment: dict[str, str] = {}


class WorkerConfig(Record):
    """The workers of this host. `count` is for `headframe up`, and so is `bulk`: how many of them take bulk work too,
    half of them if it is not said. `bulk_nice` is how much steps of the bulk lane stand back. `work_site` is where
    attempts write.
    """

    count: Annotated[int, msgspec.Meta(ge=0)] = 2
    bulk: Annotated[int, msgspec.Meta(ge=0)] | None = None
    bulk_nice: Annotated[int, msgspec.Meta(ge=0, le=19)] = 10
    steps: Literal["all"] | tuple[str, ...] = "all"
    preload: tuple[str, ...] = ()
    work_site: str = ""
    logs: Path = Path("logs")
    grace_s: Seconds = 5.0
    heartbeat_s: Seconds = 10.0

    def lanes(self, number: int) -> tuple[str, ...]:
        """Say which lanes the local worker of this number takes, counted from 0."""
        bulk = (self.count + 1) // 2 if self.bulk is None else self.bulk
        return LANES if number < bulk else ("live",)


class ConductorConfig(Record):
    """How the conductor batches; `refill_s` is how often it looks for work left behind; `bulk_share` is the share of
    its time that the bulk lane may take.
    """

    batch: Count = 1000
    refill_s: Seconds = 2.0
    bulk_share: Share = 0.5


class SweeperConfig(Record):
    """How often and how much the sweeper repairs; a hint that nobody answers counts as lost after `lost_hint_s`.

    A node on which `node_failures` attempts in a row went badly within `node_window_s`, while others did well, is set
    aside (0: never); by itself at most this share of all nodes, but always one.
    """

    interval_s: Seconds = 5.0
    lost_hint_s: Seconds = 60.0
    page: Count = 500
    node_failures: Annotated[int, msgspec.Meta(ge=0)] = 5
    node_window_s: Seconds = 3600.0
    node_share: Share = 0.25


class Log(Record):
    """What is logged and how; `auto` is text on a terminal, JSON elsewhere."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "text", "json"] = "auto"


class MonitorConfig(Record):
    """Where each daemon tells how it is: /livez, /readyz and /metrics. Port 0: nowhere. The pages have their own.

    A loop that has been at one turn for `hang_s` hangs; the launcher's may take five times as long.
    """

    host: str = "127.0.0.1"
    port: Port = 0
    hang_s: Seconds = 180.0


DEFAULT_STEPS = (
    Step(name="salt", to="salted", owned_by="file"),
    Step(name="place", to="placed", makes="copy", owned_by="file"),
    Step(name="reconstruct", to="reconstructed"),
    Step(name="catalog", to="cataloged", makes="nothing"),
)


def default_pipeline() -> dict[str, PipelineConfig]:
    """Give the pipeline `default` that there is where none is configured."""
    return {"default": PipelineConfig(steps=DEFAULT_STEPS)}


class Config(Record):
    """All that was configured, checked. `folder` is where relative paths start, `source` the file read."""

    instance: Prefix = "headframe"
    timezone: str = "UTC"
    host_class: str = "service"
    realtime_period: Literal["run", "day", "week", "month"] = "week"
    database: Database = Database()
    broker: BrokerConfig = BrokerConfig()
    web: Web = Web()
    access: Access = Access()
    monitor: MonitorConfig = MonitorConfig()
    sites: dict[str, SiteConfig] = msgspec.field(name="site", default_factory=dict)
    inboxes: dict[str, Inbox] = msgspec.field(name="inbox", default_factory=dict)
    rundb: dict[str, RunDBConfig] = {}
    run_types: dict[str, RunTypeConfig] = msgspec.field(name="run_type", default_factory=dict)
    pipeline: dict[str, PipelineConfig] = msgspec.field(default_factory=default_pipeline)
    commands: dict[str, Command] = msgspec.field(name="command", default_factory=dict)
    worker: WorkerConfig = WorkerConfig()
    conductor: ConductorConfig = ConductorConfig()
    sweeper: SweeperConfig = SweeperConfig()
    launcher: LauncherConfig = LauncherConfig()
    pilots: dict[str, PilotConfig] = msgspec.field(name="pilot", default_factory=dict)
    alerts: AlertsConfig = AlertsConfig()
    detector: DetectorConfig = DetectorConfig()
    tracing: TracingConfig = TracingConfig()
    private: dict[str, dict[str, Any]] = {}
    log: Log = Log()
    folder: Path = Path()
    source: Path | None = None

    def pipelines(self) -> dict[str, Pipeline]:
        """Build all pipelines, each with the run types that go through it. Raises `PipelineError`."""
        return {name: self.build_pipeline(name) for name in self.pipeline}

    def build_pipeline(self, name: str) -> Pipeline:
        """Build one pipeline. Raises `PipelineError`, `KeyError`."""
        rules = {
            kind: RunType(
                bypass=run_type.bypass,
                placed_when=run_type.placed_when,
                duplicates=run_type.duplicates,
            )
            for kind, run_type in self.run_types.items()
            if run_type.pipeline == name
        }
        written = self.pipeline[name]
        steps = [msgspec.structs.replace(step, site=step.site or self.worker.work_site) for step in written.steps]
        return build(name, steps, rules, written.initial)

    def pipeline_for(self, kind: str) -> Pipeline | None:
        """Give the pipeline of a run type; none for an unknown type, whose runs are held."""
        run_type = self.run_types.get(kind)
        return self.build_pipeline(run_type.pipeline) if run_type else None

    def site(self, name: str) -> Site:
        """Give a site as this class of host sees it. Raises `KeyError`."""
        site = self.sites[name]
        return Site(
            name=name,
            root=str(site.paths.get(self.host_class, site.path)),
            dir_mode=int(site.dir_mode),
            file_mode=int(site.file_mode),
            group=site.group,
        )

    def inbox_root(self, name: str) -> Path:
        """Give the folder of an inbox on this host. Raises `KeyError`."""
        inbox = self.inboxes[name]
        return self.site(inbox.site).open_path(inbox.path)
