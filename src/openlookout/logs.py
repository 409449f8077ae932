"""Logs: one line an event on standard error, as text for people or as JSON for machines. A leaf.

What works on a request or a job binds its ids once (`structlog.contextvars`); every line written meanwhile has them,
also those of libraries.
"""

import logging
import sys

import structlog

FORMATS = ("text", "json")
LEVELS = ("debug", "info", "warning", "error")

_SHARED: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
]


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """Give a module's logger. In a program that has set up nothing (an embedding one) it tells warnings and errors."""
    made: structlog.stdlib.BoundLogger = structlog.wrap_logger(
        logging.getLogger(name),
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            structlog.processors.format_exc_info,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    return made


def configure_logs(form: str, level: str) -> None:
    """Set up logging for the whole process.

    Raises:
        ValueError: the form or the level is none of those possible.
    """
    for name, given, possible in (("logs", form, FORMATS), ("log_level", level, LEVELS)):
        if given not in possible:
            message = f"{name} must be one of {', '.join(possible)}, not '{given}'"
            raise ValueError(message)
    last: list[structlog.typing.Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if form == "json":
        last += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]
    else:
        last += [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), timestamp_key="at")]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*_SHARED, structlog.stdlib.add_logger_name], processors=last
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)  # Of libraries: what goes wrong.
    logging.getLogger("openlookout").setLevel(level.upper())
    # dbos writes to a handler of its own unless its logger has one.
    engine = logging.getLogger("dbos")
    engine.handlers[:] = [handler]
    engine.propagate = False
