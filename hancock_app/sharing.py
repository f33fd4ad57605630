"""How many workers there will be, as far as one of them can tell."""

from __future__ import annotations

import argparse
import logging
import shlex
from collections.abc import Mapping, Sequence

from hancock_app.settings import Settings

_OUR_CONFIGURATION = "hancock_app.gunicorn_config"

_log = logging.getLogger("hancock")


def announced_workers(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """The workers that gunicorn was told to start, by its flags or its environment; else 1.

    What its configuration file says is not seen here. Ours calls `warn_if_unshared` itself, once
    for all workers, so that it counts as 1.
    """
    if "gunicorn" not in (argv[0] if argv else ""):
        return 1
    given = [*shlex.split(environ.get("GUNICORN_CMD_ARGS", "")), *argv[1:]]
    if any(_OUR_CONFIGURATION in argument for argument in given):
        return 1
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("-w", "--workers", default=environ.get("WEB_CONCURRENCY") or "1")
    try:
        workers = parser.parse_known_args(given)[0].workers
    except argparse.ArgumentError:
        return 1
    return int(workers) if workers.isdecimal() else 1


def warn_if_unshared(settings: Settings, workers: int) -> None:
    """Say it loudly when each of several workers would count for itself."""
    if workers > 1 and settings.rate_limit and not settings.shares_storage:
        _log.warning(
            "%d workers have no shared storage: each allows %d requests per minute, %d in total,"
            " and each accepts a replayed webhook once."
            " Set HANCOCK_RATE_LIMIT_STORAGE=redis://host:port/0",
            workers,
            settings.rate_limit,
            workers * settings.rate_limit,
        )
