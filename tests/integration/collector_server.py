"""A collector of traces: takes OTLP over HTTP on a loopback port, reads the protobuf, keeps the spans."""

import gzip
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

ERROR = 2


class Span(NamedTuple):
    """A span as it came. Times are seconds since 1970; `events` are (name, state)."""

    trace: str
    id: str
    parent: str
    name: str
    began: float
    ended: float
    said: dict[str, Any]
    error: str | None
    events: tuple[tuple[str, str], ...]
    service: dict[str, Any]


class CollectorServer:
    """Answers with `status`; while `hangs`, with nothing. `port` 0 takes a free one."""

    def __init__(self, port: int = 0) -> None:
        self.spans: list[Span] = []
        self.headers: list[dict[str, str]] = []
        self.status, self.hangs, self.asked = 200, False, 0
        self._lock, self._over = threading.Lock(), threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/v1/traces"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()

    def traces(self) -> dict[str, list[Span]]:
        """Give the spans of each trace, the first that began first."""
        with self._lock:
            found: dict[str, list[Span]] = {}
            for span in sorted(self.spans, key=lambda each: (each.began, each.parent != "", each.ended)):
                found.setdefault(span.trace, []).append(span)
            return found

    def of(self, file: str) -> list[Span]:
        """Give the spans of one file's one trace."""
        traces = [spans for spans in self.traces().values() if spans[0].said.get("file") == file]
        assert len(traces) <= 1, f"{file} has {len(traces)} traces"
        return traces[0] if traces else []

    def roots(self) -> list[Span]:
        """Give the spans that lie in no other."""
        with self._lock:
            return [span for span in self.spans if not span.parent]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        mine = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                mine.asked += 1
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if mine.hangs:
                    mine._over.wait()
                    return
                if mine.status == 200:
                    mine._keep(gzip.decompress(body), dict(self.headers.items()))
                self.send_response(mine.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        return Handler

    def _keep(self, body: bytes, headers: dict[str, str]) -> None:
        request = ExportTraceServiceRequest.FromString(body)
        with self._lock:
            self.headers.append(headers)
            for resource in request.resource_spans:
                service = _read(resource.resource.attributes)
                self.spans += [_span(each, service) for scope in resource.scope_spans for each in scope.spans]


def shown(spans: Sequence[Span]) -> str:
    """Draw a trace: each span with when it began and how long it lasted, in seconds, and how it ended."""
    first = spans[0].began
    return "\n".join(
        f"{'  ' * bool(span.parent) + span.name:<22}{span.began - first:8.3f}{span.ended - span.began:8.3f}  "
        + " ".join(str(span.said[key]) for key in ("attempt", "state", "outcome", "code") if key in span.said)
        for span in spans
    )


@contextmanager
def collecting(port: int = 0) -> Iterator[CollectorServer]:
    """Run a collector."""
    made = CollectorServer(port)
    try:
        yield made
    finally:
        made.close()


def _span(span: Any, service: dict[str, Any]) -> Span:
    return Span(
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        name=span.name,
        began=span.start_time_unix_nano / 1e9,
        ended=span.end_time_unix_nano / 1e9,
        said=_read(span.attributes),
        error=span.status.message if span.status.code == ERROR else None,
        events=tuple((each.name, _read(each.attributes).get("state", "")) for each in span.events),
        service=service,
    )


def _read(attributes: Sequence[KeyValue]) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value") or "string_value") for each in attributes}
