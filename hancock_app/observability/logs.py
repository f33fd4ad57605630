"""Log lines as JSON, one object a line, with the request id and without what a client sent."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

import msgspec
from flask import has_request_context, request

from hancock_app.edge import REQUEST_ID

# What `hancock.access` adds to a record; anything else that a library hangs on is left out.
_ADDED = ("request_id", "method", "route", "status", "ms", "client")


class JsonFormatter(logging.Formatter):
    """One line per record, whatever line breaks its text has."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if has_request_context() and (request_id := request.environ.get(REQUEST_ID)):
            line["request_id"] = request_id
        line |= {name: getattr(record, name) for name in _ADDED if hasattr(record, name)}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line).decode()


def config(level: str) -> dict[str, Any]:
    """For `logging.config.dictConfig`: everything from `level` on, to stderr."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": f"{__name__}.{JsonFormatter.__name__}"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"level": "WARNING", "handlers": ["stderr"]},
        "loggers": {
            "hancock": {"level": level.upper()},
            # These two are given handlers of their own by gunicorn unless told otherwise.
            "gunicorn.error": {"level": "INFO", "handlers": [], "propagate": True},
            "gunicorn.access": {"level": "WARNING", "handlers": [], "propagate": True},
        },
    }
