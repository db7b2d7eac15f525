"""The collector: takes spans by OTLP over HTTP, or says why it does not."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import requests
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult

TIMEOUT_S = 5.0
"""So long it is tried to send a batch, with all tries again."""


class Collector:
    """Where traces go."""

    def __init__(self, endpoint: str, headers: Mapping[str, str], cafile: Path | None = None) -> None:
        self.endpoint = endpoint
        self._session = _Session()
        self._exporter = OTLPSpanExporter(
            endpoint=endpoint,
            headers=headers,
            certificate_file=str(cafile) if cafile else None,
            timeout=TIMEOUT_S,
            compression=Compression.Gzip,
            session=self._session,
        )
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # who asks says the same, and only once

    def take(self, spans: Sequence[ReadableSpan]) -> str:
        """Send spans; say why they were not taken, nothing where they were."""
        self._session.said = ""
        if self._exporter.export(spans) is SpanExportResult.SUCCESS:
            return ""
        return self._session.said or "what was to be sent could not be written"


class _Session(requests.Session):
    """Keeps what came of the last call, which the exporter does not tell."""

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False  # what the configuration says counts, and no other file of this user
        self.said = ""

    def request(self, *words: Any, **options: Any) -> requests.Response:
        try:
            answer = super().request(*words, **options)
        except OSError as error:
            self.said = _cause(error)
            raise
        self.said = f"it answers {answer.status_code} {answer.reason}"
        return answer


def _cause(error: OSError) -> str:
    """Say what happened without the URL and the names of classes that lie around it."""
    if isinstance(error, requests.Timeout):
        return "it takes too long to answer"
    deepest: BaseException = error
    while (below := deepest.__cause__ or deepest.__context__) is not None:
        deepest = below
    return str(getattr(deepest, "strerror", None) or deepest)
