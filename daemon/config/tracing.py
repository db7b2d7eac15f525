"""`[tracing]`: where traces of files go, and of how many."""

from pathlib import Path
from typing import Annotated

import msgspec

from ...statemachine.records import Record
from .errors import Mistakes

Part = Annotated[float, msgspec.Meta(ge=0, le=1)]


class TracingConfig(Record):
    """A collector that takes OTLP over HTTP at `endpoint`; without one nothing is traced. `share` of the files are."""

    endpoint: str = ""
    headers_file: Path | None = None
    cafile: Path | None = None
    share: Part = 1.0


def check_tracing(tracing: TracingConfig, mistakes: Mistakes) -> None:
    """Note everything that does not fit together."""
    key, url = "tracing.endpoint", tracing.endpoint
    if not url:
        for name in ("headers_file", "cafile"):
            if getattr(tracing, name):
                mistakes.add(f"tracing.{name}", "is of no use without tracing.endpoint")
        return
    scheme, _, rest = url.partition("://")
    place, _, path = rest.partition("/")
    if scheme not in ("http", "https") or not place or not url.isprintable() or " " in url:
        mistakes.add(key, "is no URL of the web; expected http(s)://host:4318/v1/traces")
    elif "@" in place:
        mistakes.add(key, "has credentials in it; set tracing.headers_file instead")
    elif not path:
        mistakes.add(key, "has no path; most collectors take traces at http(s)://host:4318/v1/traces")
    if tracing.cafile and scheme != "https":
        mistakes.add("tracing.cafile", "is only for https:// and tracing.endpoint is none")
