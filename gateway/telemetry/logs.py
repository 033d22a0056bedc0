"""Log lines: JSON for machines, columns for a terminal, every line through the same redaction (X11)."""

from __future__ import annotations

import logging
from typing import Any, BinaryIO, TextIO, cast

import orjson
import structlog
from structlog.typing import FilteringBoundLogger, Processor

from gateway.telemetry.redaction import Redaction, scrub

QUIET = ("aiohttp.access", "aiohttp.client", "aiosqlite", "alembic", "asyncio", "asyncpg", "httpx", "redis",
         "sqlalchemy", "sqlalchemy.engine", "sqlalchemy.pool", "zeep", "urllib3")  # fmt: skip
"""Loggers of libraries that tell statements, parameters or headers when they are asked for more than warnings."""


def json_logger(stream: BinaryIO, level: int = logging.INFO) -> FilteringBoundLogger:
    """Make a logger that writes one JSON object per line."""
    return _logger(structlog.BytesLogger(stream), structlog.processors.JSONRenderer(serializer=_json), level)


def console_logger(stream: TextIO, level: int = logging.INFO, *, colors: bool = True) -> FilteringBoundLogger:
    """Make a logger for people."""
    return _logger(structlog.PrintLogger(stream), structlog.dev.ConsoleRenderer(colors=colors), level)


def install(logger: FilteringBoundLogger, level: int = logging.INFO) -> None:
    """Send what libraries log through `logger`; for the program's entry point only, for it changes the process."""
    root = logging.getLogger()
    root.handlers = [Bridge(logger)]
    root.setLevel(level)
    logging.captureWarnings(True)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


class Bridge(logging.Handler):
    """Hands records of the standard library on; their texts are scrubbed, for nobody marked what is in them."""

    def __init__(self, logger: FilteringBoundLogger) -> None:
        super().__init__()
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        fields: dict[str, Any] = {} if error is None else {"exc_info": error}
        self._logger.log(record.levelno, scrub(record.getMessage()), logger=record.name, **fields)


def _logger(sink: Any, renderer: Processor, level: int) -> FilteringBoundLogger:
    processors: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        Redaction(),
        renderer,
    ]
    wrapper = structlog.make_filtering_bound_logger(level)
    logger = structlog.wrap_logger(sink, processors=processors, wrapper_class=wrapper, context_class=dict)
    return cast(FilteringBoundLogger, logger.bind())


def _json(event: Any, **_: Any) -> bytes:
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS)
