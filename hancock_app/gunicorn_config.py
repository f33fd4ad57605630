"""Configuration for gunicorn.

    gunicorn -c python:hancock_app.gunicorn_config "hancock_app:create_app()"

Command-line flags and GUNICORN_CMD_ARGS override these values; see docs/operating.md.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
import tempfile
from typing import Any

from gunicorn.glogging import Logger  # type: ignore[import-untyped]

from hancock_app.settings import CANNED, Settings, SettingsError


def _number(variable: str, default: int, lowest: int, highest: int) -> int:
    text = os.environ.get(variable) or str(default)
    if not (text.isascii() and text.isdigit() and lowest <= int(text) <= highest):
        raise SettingsError(f"{variable}: expected a whole number from {lowest} to {highest}")
    return int(text)


try:
    _settings = Settings.from_env()
    _port = _number("HANCOCK_PORT", 5000, 0, 65_535)
    # A starting point. Containers should set WEB_CONCURRENCY: they see all cores of their node.
    workers = _number("WEB_CONCURRENCY", min(16, 4 * len(os.sched_getaffinity(0))), 1, 1000)
except SettingsError as error:
    # Exit here, with one line: a worker would die with a traceback and be restarted forever.
    sys.exit(f"hancock: {error}")

# Set before prometheus-client is imported: it chooses its multiprocess mode at import.
_temporary_folder = None
if not os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
    _temporary_folder = tempfile.mkdtemp(prefix="hancock-metrics-")
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = _temporary_folder

# Loopback unless configured otherwise: there is no TLS, and by default no API key.
bind = f"{os.environ.get('HANCOCK_HOST') or '127.0.0.1'}:{_port}"
# Threads, because requests mostly wait for the model.
worker_class = "gthread"
# With four workers per core, enough to keep the core busy while most threads wait.
threads = 8
if _settings.llm_backend != CANNED:
    # Keep two threads for health probes, even if all questions hang.
    os.environ.setdefault("HANCOCK_LLM_CONCURRENCY", str(threads - 2))
# Restarts a worker that hangs completely. A slow question does not: only its thread waits.
timeout = 60
# A question takes at most twice its timeout, so every accepted one is answered before shutdown.
graceful_timeout = int(2 * _settings.llm_timeout_s) + 5
# Longer than load balancers keep idle connections (60 s is usual), so that they close first.
keepalive = 75
# The socket would be created in the home directory, which container users do not have.
control_socket_disable = True
# In memory: a heartbeat file on a slow disk can block a worker.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None


def _logging_config() -> dict[str, Any]:
    # Not at the top: it imports prometheus-client.
    from hancock_app.observability import logs

    return logs.config(_settings.log_level)


logconfig_dict = _logging_config()


class _Logger(Logger):  # type: ignore[misc]
    """Disables gunicorn's access log, since Hancock writes its own.

    With a `logconfig_dict` gunicorn formats a line for every request, even if no handler writes
    it, which takes about a tenth of the CPU time of a short request.
    """

    def access(self, *args: object) -> None:
        pass


logger_class = _Logger


def when_ready(server: Any) -> None:
    """Called in the master process once it listens: warn if workers share no storage."""
    workers_started = server.cfg.workers
    if workers_started > 1 and _settings.rate_limit and not _settings.shares_storage:
        logging.getLogger("hancock").warning(
            "%d workers have no shared storage: each allows %d requests per minute, %d in total,"
            " and each accepts a replayed webhook once."
            " Set HANCOCK_RATE_LIMIT_STORAGE=redis://host:port/0",
            workers_started,
            _settings.rate_limit,
            workers_started * _settings.rate_limit,
        )


def child_exit(server: Any, worker: Any) -> None:
    """Called in the master process when a worker has ended: its requests are no longer active."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def on_exit(server: Any) -> None:
    """Called in the master process before it exits."""
    if _temporary_folder:
        shutil.rmtree(_temporary_folder, ignore_errors=True)
