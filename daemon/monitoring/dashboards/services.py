"""The processes themselves: are they there, do their loops turn, what do they use."""

from ..promql import now, own, own_rate, quantile, total
from .panels import Panel, Query, Row

THERE = Row(
    "There",
    (
        Panel(
            "Processes heard of",
            (Query(now("headframe_processes"), "{{role}}"),),
            says="By the database, within a minute.",
        ),
        Panel(
            "Silence",
            (Query(now("headframe_process_silence_seconds"), "{{role}}"),),
            "s",
        ),
        Panel(
            "Scraped",
            (Query(own("up"), "{{job}} {{instance}}"),),
        ),
        Panel(
            "Since a loop's last turn",
            (Query(f"max by (role, loop) ({own('headframe_loop_seconds')})", "{{role}} {{loop}}"),),
            "s",
        ),
    ),
)
BROKER = Row(
    "Messages",
    (
        Panel("Messages in queues", (Query(now("headframe_queue_messages"), "{{queue}}"),)),
        Panel("Who takes them", (Query(now("headframe_queue_consumers"), "{{queue}}"),)),
        Panel(
            "Messages a conductor applied",
            (Query(total("lane, kind", own_rate("headframe_conductor_messages_total")), "{{lane}} {{kind}}"),),
            "ops",
        ),
        Panel(
            "Time of a batch",
            (Query(quantile(0.95, "", own_rate("headframe_conductor_batch_seconds_bucket")), "95 of 100"),),
            "s",
        ),
    ),
)
WEB = Row(
    "Pages",
    (
        Panel(
            "Answers",
            (Query(total("status", own_rate("headframe_web_request_seconds_count")), "{{status}}"),),
            "reqps",
            stacked=True,
        ),
        Panel(
            "Time to answer",
            (Query(quantile(0.95, "", own_rate("headframe_web_request_seconds_bucket")), "95 of 100"),),
            "s",
        ),
        Panel("Open pages", (Query(f"sum({own('headframe_web_viewers')})"),), width=8),
        Panel("Memory", (Query(own("process_resident_memory_bytes"), "{{job}} {{instance}}"),), "bytes", width=8),
        Panel("CPU", (Query(own_rate("process_cpu_seconds_total"), "{{job}} {{instance}}"),), "percentunit", width=8),
        Panel(
            "Not folded yet",
            (
                Query(now("headframe_count_deltas_waiting"), "counts"),
                Query(now("headframe_sums_waiting"), "sums"),
                Query(now("headframe_measures_waiting"), "measures"),
            ),
            says="The sweeper keeps all of them near nothing.",
        ),
    ),
)
ROWS = (THERE, BROKER, WEB)
