"""Log lines: one event a line with its facts, JSON for machines or text for people; never content of tasks, never secrets."""

from __future__ import annotations

import logging
import sys

import structlog

_HIDDEN = ("key", "secret", "password", "token", "authorization", "url")


def configure(*, level: str, as_json: bool) -> None:
    """Set up logging of this process, to standard output; the standard library's loggers go the same way."""
    processors: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _hide,
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=False),
    ]
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(
        level=max(number, logging.WARNING), stream=sys.stdout, format="%(levelname)s %(name)s %(message)s", force=True
    )


def _hide(_: object, __: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
    for name in line:
        if name.lower().rpartition("_")[2] in _HIDDEN:
            line[name] = "[hidden]"
    return line
