"""`python -m hancock_app`, as a process."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import urllib.request

import pytest

from hancock_app.__main__ import main

# `python -m hancock_app` with Ctrl-C as in a terminal: a suite in the background of a shell
# ignores it, and so would what it starts.
INTERRUPTIBLE = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("hancock_app", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_and_says_where_and_stops_when_told_to(stop: signal.Signals) -> None:
    command = [sys.executable, "-c", INTERRUPTIBLE, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as server:
        try:
            assert server.stdout is not None
            line = server.stdout.readline().decode()
            match = re.fullmatch(r"Hancock is listening on (http://127\.0\.0\.1:\d+)\n", line)
            assert match is not None
            with urllib.request.urlopen(f"{match[1]}/health", timeout=30) as answer:
                assert answer.read() == b'{"status":"ok"}'
            server.send_signal(stop)
            rest, complaints = server.communicate(timeout=30)
        finally:
            server.kill()
    assert (server.returncode, rest, complaints) == (0, b"", b"")


def test_a_bad_environment_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], {"HANCOCK_RATE_LIMIT": "lots"}) == 2
    assert capsys.readouterr() == (
        "",
        "hancock: HANCOCK_RATE_LIMIT: expected a whole number, 0 or more, got 'lots'\n",
    )


def test_a_port_that_is_not_a_number_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([], {"HANCOCK_PORT": "http"})
    assert caught.value.code == 2
    error_output = capsys.readouterr().err
    assert error_output.endswith("error: argument --port: invalid int value: 'http'\n")
