"""Logging: structlog through the standard library's handlers, to standard error; text on a terminal, JSON elsewhere."""

import logging
import sys

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from .config import Config

UNPRINTABLE = (*range(32), *range(127, 160), 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
"""What begins a line, steers a terminal, or turns what follows."""
ESCAPES = {n: f"\\x{n:02x}" if n < 256 else f"\\u{n:04x}" for n in UNPRINTABLE}
SHARED: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.ExtraAdder(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)


def set_up(config: Config) -> None:
    """Send all log lines of this process to standard error, in the configured form."""
    text = config.log.format == "text" or (config.log.format == "auto" and sys.stderr.isatty())
    last: Processor = structlog.dev.ConsoleRenderer() if text else structlog.processors.JSONRenderer()
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=SHARED,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_in_form(text), last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(config.log.level.upper())
    for noisy in ("sqlalchemy", "alembic", "uvicorn", "watchdog"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    logging.getLogger("pika").setLevel(logging.CRITICAL)  # the broker says the same, in one line and not in ten
    logging.getLogger("sqlalchemy.pool").setLevel(
        logging.CRITICAL
    )  # what it says of lost connections, others say better
    structlog.configure(
        processors=[*SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _in_form(text: bool) -> tuple[Processor, ...]:
    return (_printable,) if text else (structlog.processors.format_exc_info,)


def _printable(_: WrappedLogger, __: str, said: EventDict) -> EventDict:
    """Make what a line says safe to show: parts of it come from strangers. JSON needs no such care."""
    return {name: each.translate(ESCAPES) if isinstance(each, str) else each for name, each in said.items()}
