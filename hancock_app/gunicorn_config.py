"""`gunicorn -c python:hancock_app.gunicorn_config "hancock_app:create_app()"`.

Flags and GUNICORN_CMD_ARGS go before what is said here; docs/operating.md has the reasons.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from typing import Any

from hancock_app.settings import CANNED, Settings, SettingsError
from hancock_app.sharing import warn_if_unshared

try:
    _settings = Settings.from_env()
except SettingsError as error:
    # Here, before a worker is started that would die of it with a traceback, and be restarted.
    sys.exit(f"hancock: {error}")

# Before anything imports prometheus-client, which decides at import how it counts.
_own_folder = None
if not os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
    _own_folder = tempfile.mkdtemp(prefix="hancock-metrics-")
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = _own_folder

bind = f"{os.environ.get('HANCOCK_HOST') or '127.0.0.1'}:{os.environ.get('HANCOCK_PORT') or 5000}"
worker_class = "gthread"
# The guide's starting point; a container is better told by WEB_CONCURRENCY, as it sees all cores.
workers = int(os.environ.get("WEB_CONCURRENCY") or min(16, 4 * len(os.sched_getaffinity(0))))
threads = 8
if _settings.llm_backend != CANNED:
    # Two threads are kept for the probes, whatever becomes of a model that hangs.
    os.environ.setdefault("HANCOCK_LLM_CONCURRENCY", str(threads - 2))
# For a worker that hangs as a whole. A question that takes long does not: its thread waits.
timeout = 60
# Every question that was accepted before a stop is answered: it takes at most twice its timeout.
graceful_timeout = int(2 * _settings.llm_timeout_s) + 5
# Longer than a load balancer keeps idle connections, which else meets a closed one now and then.
keepalive = 75
# It would write into a home, which a container's user does not have.
control_socket_disable = True
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None


def _logging() -> dict[str, Any]:
    from hancock_app.observability import logs

    return logs.config(_settings.log_level)


logconfig_dict = _logging()


def when_ready(server: Any) -> None:
    """Called in the master once it listens."""
    warn_if_unshared(_settings, server.cfg.workers)


def child_exit(server: Any, worker: Any) -> None:
    """Called in the master for every worker that ended: it is answering nothing any more."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def on_exit(server: Any) -> None:
    """Called in the master, last."""
    if _own_folder:
        shutil.rmtree(_own_folder, ignore_errors=True)
