"""Log lines: one event a line with its facts, JSON for machines or text for people; never content of tasks, never secrets."""

from __future__ import annotations

import logging
import sys
import traceback
from types import TracebackType
from typing import Any, Final

import structlog

FRAMES_MAX: Final = 12
CAUSES_MAX: Final = 5
_HIDDEN = ("key", "secret", "password", "token", "authorization", "url")


def configure(*, level: str, as_json: bool) -> None:
    """Set up logging of this process, to standard output; the standard library's loggers go the same way."""
    processors: list[structlog.typing.Processor] = [
        *PROCESSORS,
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=False),
    ]
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_Silent("%(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=max(number, logging.WARNING), handlers=[handler], force=True)


def _hide(_: object, __: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
    for name in line:
        if name.lower().rpartition("_")[2] in _HIDDEN:
            line[name] = "[hidden]"
    return line


def where(error: BaseException) -> str:
    """Say which errors there were and where, first cause last; not what they say, which may quote what somebody sent."""
    told: list[str] = []
    seen: BaseException | None = error
    while seen is not None and len(told) < CAUSES_MAX:
        frames = traceback.extract_tb(seen.__traceback__)[-FRAMES_MAX:]
        told.append(f"{type(seen).__name__} at " + " > ".join(f"{f.filename}:{f.lineno} {f.name}" for f in frames))
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return "; from ".join(told)


def _place(_: object, __: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
    given = line.pop("exc_info", None)
    error = given if isinstance(given, BaseException) else sys.exc_info()[1] if given else None
    if error is not None:
        line["exception"] = where(error)
    return line


class _Silent(logging.Formatter):
    """The same for what libraries log."""

    def formatException(  # noqa: N802 - the base class's name
        self, ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
    ) -> str:
        return "" if ei[1] is None else where(ei[1])


PROCESSORS: Final[tuple[Any, ...]] = (
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    _hide,
    _place,
)
