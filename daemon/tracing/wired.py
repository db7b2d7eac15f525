"""From the configuration to what traces. Nothing of opentelemetry is imported before there is something to send."""

from __future__ import annotations

import logging
from importlib.util import find_spec
from typing import TYPE_CHECKING

from ..config import Config, ConfigError, read_secret

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from .collector import Collector
    from .traces import Traces

log = logging.getLogger("headframe.tracing")
KEY = "tracing.headers_file"
INSTALL = "pip install 'headframe[tracing]'"


def tracing(config: Config, engine: Engine) -> Traces | None:
    """Give what traces; none where nothing is to be traced, or nothing can be: that is said, and stops nobody."""
    if not config.tracing.endpoint:
        return None
    try:
        headers = _headers(config)
    except ConfigError as error:
        todo = f"mend {KEY}, then start this process again"
        log.error("files are not traced", extra={"cause": str(error), "todo": todo})
        return None
    if cause := absent(config):
        log.error("files are not traced", extra={"cause": cause, "todo": INSTALL})
        return None
    from .traces import Traces

    return Traces(engine, config.instance, config.tracing.share, lambda: _collector(config, headers))


def absent(config: Config) -> str:
    """Say what is not installed here that tracing needs; nothing where it is, or nothing is traced."""
    if not config.tracing.endpoint:
        return ""
    try:
        there = find_spec("opentelemetry.sdk") and find_spec("opentelemetry.exporter.otlp.proto.http")
    except ModuleNotFoundError:
        there = None
    return "" if there else "tracing.endpoint is set, and opentelemetry is not installed here"


def collector(config: Config) -> Collector:
    """Give the collector. Raises `ConfigError` where the file of headers cannot be read."""
    return _collector(config, _headers(config))


def _collector(config: Config, headers: dict[str, str]) -> Collector:
    from .collector import Collector

    return Collector(config.tracing.endpoint, headers, config.tracing.cafile)


def _headers(config: Config) -> dict[str, str]:
    """Read the headers, one a line: `Name: value`. No line is ever shown."""
    file, found = config.tracing.headers_file, dict[str, str]()
    for number, line in enumerate(read_secret(file, KEY).splitlines() if file else (), 1):
        name, colon, value = (part.strip() for part in line.partition(":"))
        if not line.strip():
            continue
        if not colon or not name.isascii() or not name.replace("-", "").isalnum() or not value.isprintable():
            raise ConfigError([f"{KEY}: line {number} of {file} is no header; expected Name: value"])
        found[name] = value
    return found
