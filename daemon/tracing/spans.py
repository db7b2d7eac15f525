"""Writes the way of an item down as spans: one for all of it, and below it each wait and each attempt."""

from datetime import UTC, datetime, timedelta

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
from opentelemetry.trace import NonRecordingSpan, SpanContext, Status, StatusCode, TraceFlags, set_span_in_context

from ... import __version__
from ...statemachine import naming
from ...statemachine.interrupts import POLITE
from ...statemachine.views.journeys import Journey, Tried
from .ids import span_id, trace_id

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST = "way"
"""What the id of a trace's first span is made of: who is sent round again is below it."""
Words = dict[str, str | int]


class Writer:
    """Writes spans, one thread at a time. Traces are chosen by their ids: `share` of them, and each of them whole."""

    def __init__(self, instance: str, share: float) -> None:
        self.instance = instance
        self._ids, self._ended = _Ids(), _Ended()
        provider = TracerProvider(
            sampler=TraceIdRatioBased(share),
            resource=Resource(
                {"service.name": "headframe", "service.namespace": instance, "service.version": __version__}
            ),
            shutdown_on_exit=False,
            id_generator=self._ids,
        )
        provider.add_span_processor(self._ended)
        self._tracer = provider.get_tracer("headframe", __version__)

    def spans(self, way: Journey) -> list[ReadableSpan]:
        """Give the spans of a way; none where its trace is not among those chosen."""
        trace = naming.trace(way.run, way.file or naming.run_name(way.run))
        self._ids.trace = trace_id(self.instance, way.campaign, trace)
        known: Words = {"trace": trace, "run": way.run, **({"file": way.file} if way.file else {})}
        began = min(way.closed_at or way.began_at, way.began_at, way.ended_at)
        first = "file" if way.file else "run"
        self._ids.span = span_id(self._ids.trace, FIRST, way.again)
        root = self._tracer.start_span(
            "again" if way.again else first,
            self._below_first() if way.again else Context(),
            attributes={**known, **_of_way(way)},
            start_time=_ns(began),
        )
        for each in way.events:
            root.add_event(each.trigger, {"state": each.state, **_if_said(code=each.code)}, _ns(each.at))
        if way.phase == "failed":
            root.set_status(_error(way.code, way.reason))
        below = set_span_in_context(root, Context())
        if way.closed_at is not None:
            self._write(below, "arrived", began, way.began_at, known)
        for tried in way.attempts:
            self._attempt(below, tried, known, way)
        root.end(_ns(way.ended_at))
        return self._ended.taken()

    def _below_first(self) -> Context:
        """Give the place below the trace's first span, which was sent when it ended."""
        first = span_id(self._ids.trace, FIRST, 0)
        return set_span_in_context(
            NonRecordingSpan(SpanContext(self._ids.trace, first, False, TraceFlags(TraceFlags.SAMPLED))), Context()
        )

    def _attempt(self, below: Context, tried: Tried, known: Words, way: Journey) -> None:
        began, ended = times(tried)
        said = {**known, "attempt": f"{way.item}/{tried.epoch}", "step": tried.step, "lane": way.lane}
        if tried.ready_at is not None:
            self._write(below, f"waiting {tried.step}", tried.ready_at, began, said)
        by = _if_said(owner=tried.owner, node=tried.host, job=tried.job, code=tried.code, reason=tried.reason)
        bad = tried.outcome in ("failed", "interrupted") and tried.code not in POLITE
        status = _error(tried.code, tried.reason) if bad else None
        self._write(below, tried.step, began, ended, {**said, **by, "outcome": tried.outcome}, status)

    def _write(
        self, below: Context, name: str, began: datetime, ended: datetime, said: Words, status: Status | None = None
    ) -> None:
        self._ids.span = span_id(self._ids.trace, name, said.get("attempt", ""))
        span = self._tracer.start_span(name, below, attributes=said, start_time=_ns(began))
        if status is not None:
            span.set_status(status)
        span.end(_ns(max(began, ended)))


def times(tried: Tried) -> tuple[datetime, datetime]:
    """Give when an attempt began and ended: for as long as the worker measured, as metrics have it.

    When it began is said by the worker's clock. Where that cannot be, by the database's, clocks differ: it is taken to
    have ended when it was heard of.
    """
    ready = tried.ready_at or min(tried.began_at or tried.ended_at, tried.ended_at)
    lasted = tried.ended_at - (tried.began_at or tried.ended_at)
    worked = lasted if tried.worked_s is None else timedelta(seconds=min(max(tried.worked_s, 0.0), 1e9))
    worked = min(max(worked, timedelta()), max(tried.ended_at - ready, timedelta()))
    began = tried.began_at
    if began is None or not ready <= began <= tried.ended_at - worked:
        began = max(ready, tried.ended_at - worked)
    return began, began + worked


def _of_way(way: Journey) -> Words:
    said = _if_said(campaign=way.campaign, type=way.kind, lane=way.lane, code=way.code, reason=way.reason)
    return {**said, "state": way.state, "outcome": way.phase}


def _if_said(**words: str) -> dict[str, str]:
    return {name: word for name, word in words.items() if word}


def _error(code: str, reason: str) -> Status:
    return Status(StatusCode.ERROR, ": ".join(filter(None, (code, reason))))


def _ns(at: datetime) -> int:
    return (at - EPOCH) // timedelta(microseconds=1) * 1000


class _Ids(IdGenerator):
    """Gives the ids that were said just before."""

    trace = span = 0

    def generate_trace_id(self) -> int:
        return self.trace

    def generate_span_id(self) -> int:
        return self.span


class _Ended(SpanProcessor):
    """Keeps the spans that ended."""

    def __init__(self) -> None:
        self._spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self._spans.append(span)

    def taken(self) -> list[ReadableSpan]:
        taken, self._spans = self._spans, []
        return taken
