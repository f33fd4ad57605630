"""A short Locust run against Hancock under gunicorn, judged by its latency budgets.

    python tests/load_hancock.py [--profile NAME] [--users N] [--time 15s] [--artifacts FOLDER]

Serves on a free loopback port, waits until /health answers, runs a profile of load_test_locust.py,
and always stops the server. Without HANCOCK_RATE_LIMIT there is no rate limit, because the run
measures how fast Hancock answers, and a 429 is fast.

Exits with the code of Locust: 0 if no budget is exceeded, 1 if one is exceeded, 2 if nothing was
measured. It exits with 2 as well if Hancock does not answer, and with 130 on Ctrl-C.
"""

from __future__ import annotations

import argparse
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]  # the budgets are in its pyproject.toml
LOCUSTFILE: Final = Path(__file__).resolve().with_name("load_test_locust.py")
LOOPBACK: Final = "127.0.0.1"
# gunicorn imports Hancock in a second; under load it takes several.
START_TIMEOUT_S: Final = 30.0
POLL_INTERVAL_S: Final = 0.1
# gunicorn gives its workers 30 s to finish their requests before it kills them.
STOP_TIMEOUT_S: Final = 40.0
# Locust reports within two seconds of Ctrl-C; if only this process received it, Locust continues.
REPORT_TIMEOUT_S: Final = 10.0
NOTHING_MEASURED: Final = 2
INTERRUPTED: Final = 130  # 128 + SIGINT, as shells report it


class NoAnswerError(Exception):
    """Hancock does not respond; the message says where and, if known, why."""


def free_port() -> int:
    """Return an unused loopback port."""
    with socket.create_server((LOOPBACK, 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def served(port: int) -> Iterator[None]:
    """Run Hancock under gunicorn with two workers, once it responds; stop it at the end.

    Raises:
        NoAnswerError: gunicorn exited, or did not respond in time.
    """
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "gunicorn", "--workers", "2", "--log-level", "warning"),
            *("--bind", f"{LOOPBACK}:{port}", "hancock_app:create_app()"),
        ],
        cwd=ROOT,
        env={**os.environ, "HANCOCK_RATE_LIMIT": os.environ.get("HANCOCK_RATE_LIMIT") or "0"},
        # Ctrl-C in a terminal goes to the whole group: Locust ends first, the server after it.
        start_new_session=True,
    )
    try:
        wait_until_healthy(server, port)
        yield
    finally:
        stop(server)


def wait_until_healthy(server: subprocess.Popen[bytes], port: int) -> None:
    """Return as soon as /health responds with 200."""
    url = f"http://{LOOPBACK}:{port}/health"
    deadline = time.monotonic() + START_TIMEOUT_S
    while not is_healthy(port):
        if server.poll() is not None:
            code = server.returncode
            raise NoAnswerError(f"Hancock does not answer at {url}: gunicorn exited with {code}")
        if time.monotonic() > deadline:
            raise NoAnswerError(f"Hancock does not answer at {url} within {START_TIMEOUT_S:g} s")
        time.sleep(POLL_INTERVAL_S)


def is_healthy(port: int) -> bool:
    """Whether /health responds with 200; ignores configured proxies."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=START_TIMEOUT_S)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def stop(process: subprocess.Popen[bytes]) -> None:
    """Terminate a process, and kill it if it does not exit; does nothing if it has ended."""
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def run_locust(port: int, chosen: argparse.Namespace) -> int:
    """Run Locust headless, leave no process behind, and return the exit code."""
    master_port = str(free_port())
    users = str(chosen.users)
    locust = subprocess.Popen(
        [
            *(sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless"),
            *("--only-summary", "--host", f"http://{LOOPBACK}:{port}"),
            *("--users", users, "--spawn-rate", users, "--run-time", chosen.time),
            # The load runs in a separate process from the one that judges it.
            *("--processes", "1", "--master-bind-host", LOOPBACK),
            *("--master-bind-port", master_port, "--master-port", master_port),
            *("--latency-artifacts", str(chosen.artifacts.resolve()), chosen.profile),
        ],
        cwd=ROOT,
    )

    def pass_on(_number: int, _frame: FrameType | None) -> None:
        locust.terminate()
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, pass_on)
    try:
        code = locust.wait()
    except KeyboardInterrupt:
        # A terminal sends Ctrl-C to Locust as well, and a second signal would abort its report.
        with suppress(subprocess.TimeoutExpired):
            locust.wait(REPORT_TIMEOUT_S)
        stop(locust)
        raise
    return code if code >= 0 else 128 - code  # killed by a signal: as shells report it


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--profile", default="HealthOnlyUser", help="a user class (%(default)s)")
    parser.add_argument("--users", type=int, default=10, help="how many users (%(default)s)")
    parser.add_argument("--time", default="15s", help="how long: 15s, 1m30s (%(default)s)")
    parser.add_argument(
        "--artifacts",
        type=Path,
        default=Path("artifacts/load"),
        metavar="FOLDER",
        help="where the artifacts go (%(default)s)",
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve Hancock, run the load, stop, and return the exit code."""
    chosen = options(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    port = free_port()
    try:
        with served(port):
            return run_locust(port, chosen)
    except NoAnswerError as error:
        print(error, file=sys.stderr)
        return NOTHING_MEASURED
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
