"""Logging as JSON, one object per line, with the request id and without request contents."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

import msgspec
from flask import has_request_context, request

from hancock_app.request_environ import REQUEST_ID

# The fields that `hancock.access` adds. Extra fields of other libraries could contain anything.
_EXTRA_FIELDS = ("request_id", "method", "route", "status", "ms", "client")


class JsonFormatter(logging.Formatter):
    """Format a record as one line, even if its message contains line breaks."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if has_request_context() and (request_id := request.environ.get(REQUEST_ID)):
            line["request_id"] = request_id
        line |= {name: getattr(record, name) for name in _EXTRA_FIELDS if hasattr(record, name)}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line).decode()


def config(level: str) -> dict[str, Any]:
    """Return the argument of `logging.config.dictConfig`: JSON to stderr, from `level` on."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": f"{__name__}.{JsonFormatter.__name__}"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
        # Libraries are too verbose below this level.
        "root": {"level": "WARNING", "handlers": ["stderr"]},
        "loggers": {
            "hancock": {"level": level.upper()},
            # Configured explicitly because gunicorn gives them handlers of its own otherwise.
            "gunicorn.error": {"level": "INFO", "handlers": [], "propagate": True},
            "gunicorn.access": {"level": "WARNING", "handlers": [], "propagate": True},
        },
    }
