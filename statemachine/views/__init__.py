"""What people and programs look at: read-only questions to the database that give frozen records.

Lists are paged by key, newest first unless a docstring says otherwise, and never read the whole item table:
numbers of files come from the kept counts (`count_total` or `count_whole`, plus `count_delta`).
"""

from .alerts import AckRow, AlertRow, AlertStatus, HoldingAck, ReceiverRow, acknowledgements, alerts, holding, receivers
from .attempts import AttemptFilter, AttemptRow, attempt_of, attempts, attempts_of
from .audit import AuditFilter, AuditRow, audit
from .campaign_runs import CampaignRun, campaign_runs
from .campaigns import CampaignFilter, CampaignRow, campaign_and_forecast, campaign_of, campaigns, is_campaign
from .catalog import CatalogEntry, Place, catalog_find, catalog_page
from .cells import CellRow, Tries, cell_rows, tries, tries_among
from .changes import HistoryFilter, changes
from .common import Common
from .compare import Comparison, Difference, Side, compare
from .counts import Count, totals
from .deadletters import (
    MOST_ABOUT,
    CodeRow,
    DeadLetterRow,
    dead_letter_body,
    dead_letter_codes,
    dead_letter_of,
    dead_letters,
    dead_letters_about,
)
from .demand import demand
from .depths import DepthRow, depths
from .detectors import DetectorRow, detectors
from .families import FamilyFilter, FamilyRow, families
from .fields import View
from .filedetail import (
    Dropped,
    FileDetail,
    HistoryRow,
    LateRow,
    NotOneError,
    ProductRow,
    ReplicaRow,
    file,
    history,
    products_of,
    replicas_of,
)
from .files import FileFilter, FileRow, files
from .filling import Filling, filling
from .flow import FlowRow, flow
from .forecast import Forecast, StepForecast, forecast_campaign, forecast_found, forecast_run
from .gaps import Gaps, MissingFile, Range, gaps
from .latency import Latency, LatencyFilter, Quantiles, latency, latency_lately
from .launchers import LauncherRow, launchers
from .logs import log_pattern
from .need import Need
from .needs import service_needs
from .news import News, Position, news, position
from .notes import NoteRow, note_of, notes
from .operations import OperationFilter, OperationRow, operation, operations
from .pace import done_lately
from .paging import BadCursorError, Listed, Page
from .pilot_usage import PilotUsage, usage_of_pilots
from .pilots import PilotRow, pilot, pilots
from .processes import Around, PauseRow, ProcessRow, around, obstacles, pauses, processes
from .products import Product, ProductDetail, ProductFilter, product_of, products
from .queues import QueueRow, queues
from .replicas import Replica, ReplicaFilter, replicas
from .rundetail import Operation, ReasonCount, RunDetail, run
from .runfind import RunFilter, runs, unknown_runs
from .runs import RunRow
from .sites import SiteRow, sites
from .sizes import TableSize, sizes
from .status import Status, status
from .trouble import TroubleSummary, first_gaps, trouble_summary
from .usage import StepsUsage, StepUsage, usage_of_campaign, usage_of_run, usage_of_steps
from .wide import TooWideError
from .workers import Doing, RoleRow, WorkerFilter, WorkerRow, attempts_by, roles, worker, workers

__all__ = [
    "MOST_ABOUT",
    "AckRow",
    "AlertRow",
    "AlertStatus",
    "Around",
    "AttemptFilter",
    "AttemptRow",
    "AuditFilter",
    "AuditRow",
    "BadCursorError",
    "CampaignFilter",
    "CampaignRow",
    "CampaignRun",
    "CatalogEntry",
    "CellRow",
    "CodeRow",
    "Common",
    "Comparison",
    "Count",
    "DeadLetterRow",
    "DepthRow",
    "DetectorRow",
    "Difference",
    "Doing",
    "Dropped",
    "FamilyFilter",
    "FamilyRow",
    "FileDetail",
    "FileFilter",
    "FileRow",
    "Filling",
    "FlowRow",
    "Forecast",
    "Gaps",
    "HistoryFilter",
    "HistoryRow",
    "HoldingAck",
    "LateRow",
    "Latency",
    "LatencyFilter",
    "LauncherRow",
    "Listed",
    "MissingFile",
    "Need",
    "News",
    "NotOneError",
    "NoteRow",
    "Operation",
    "OperationFilter",
    "OperationRow",
    "Page",
    "PauseRow",
    "PilotRow",
    "PilotUsage",
    "Place",
    "Position",
    "ProcessRow",
    "Product",
    "ProductDetail",
    "ProductFilter",
    "ProductRow",
    "Quantiles",
    "QueueRow",
    "Range",
    "ReasonCount",
    "ReceiverRow",
    "Replica",
    "ReplicaFilter",
    "ReplicaRow",
    "RoleRow",
    "RunDetail",
    "RunFilter",
    "RunRow",
    "Side",
    "SiteRow",
    "Status",
    "StepForecast",
    "StepUsage",
    "StepsUsage",
    "TableSize",
    "TooWideError",
    "Tries",
    "TroubleSummary",
    "View",
    "WorkerFilter",
    "WorkerRow",
    "acknowledgements",
    "alerts",
    "around",
    "attempt_of",
    "attempts",
    "attempts_by",
    "attempts_of",
    "audit",
    "campaign_and_forecast",
    "campaign_of",
    "campaign_runs",
    "campaigns",
    "catalog_find",
    "catalog_page",
    "cell_rows",
    "changes",
    "compare",
    "dead_letter_body",
    "dead_letter_codes",
    "dead_letter_of",
    "dead_letters",
    "dead_letters_about",
    "demand",
    "depths",
    "detectors",
    "done_lately",
    "families",
    "file",
    "files",
    "filling",
    "first_gaps",
    "flow",
    "forecast_campaign",
    "forecast_found",
    "forecast_run",
    "gaps",
    "history",
    "holding",
    "is_campaign",
    "latency",
    "latency_lately",
    "launchers",
    "log_pattern",
    "news",
    "note_of",
    "notes",
    "obstacles",
    "operation",
    "operations",
    "pauses",
    "pilot",
    "pilots",
    "position",
    "processes",
    "product_of",
    "products",
    "products_of",
    "queues",
    "receivers",
    "replicas",
    "replicas_of",
    "roles",
    "run",
    "runs",
    "service_needs",
    "sites",
    "sizes",
    "status",
    "totals",
    "tries",
    "tries_among",
    "trouble_summary",
    "unknown_runs",
    "usage_of_campaign",
    "usage_of_pilots",
    "usage_of_run",
    "usage_of_steps",
    "worker",
    "workers",
]
