"""Locust's web page while a test runs: the tab, the page of its own, and the report."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from subprocess import Popen

import pytest
from driving import LOCUSTFILES, NOWHERE, ONE, Ran, free_port, locust, wait_for
from playwright.sync_api import sync_playwright

from pytest_hancock_latency.files.artifact import read_artifact

from ..programs import needs


class Run:
    """A run with the web page, whose only request takes 700 ms."""

    def __init__(self, folder: Path, run_time: str) -> None:
        self.port = free_port()
        self.process: Popen[str] = locust(
            *("-f", str(LOCUSTFILES / "reported.py"), "--host", NOWHERE, *ONE, "-t", run_time),
            *("--autostart", "--autoquit", "0", "--web-host", "127.0.0.1"),
            *("--web-port", str(self.port), "Reporter"),
            folder=folder,
            MS="700",
        )

    def address(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def asked(self, path: str) -> str:
        try:
            with urllib.request.urlopen(self.address(path), timeout=5) as answer:
                return str(answer.read().decode())
        except OSError:
            return ""


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    running = Run(tmp_path, "8s")
    yield running
    running.process.kill()
    running.process.communicate()


@pytest.mark.long
def test_the_page_the_tab_and_the_report_have_the_verdict_so_far(run: Run, tmp_path: Path) -> None:
    wait_for(lambda: "exceeded p50" in run.asked("/latency"), "a verdict on the page")
    statistics = json.loads(run.asked("/stats/requests"))
    (tab,) = statistics["extended_stats"]
    assert (
        tab["key"],
        tab["data"][0]["sample"],
        tab["data"][0]["verdict"],
    ) == ("latency-budgets", "GET /it", "❌ exceeded p50")
    assert "<svg" in run.asked("/latency/report")
    ran = Ran(run.process, tmp_path)
    assert ran.exit_code == 1, str(ran)


def test_the_tab_can_be_opened_in_a_browser_and_fills_while_the_test_runs(run: Run) -> None:
    program = needs("chromium", "chromium")
    wait_for(lambda: run.asked("/"), "the page")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(run.address("/"))
        page.get_by_role("tab", name="Latency budgets").click()
        page.get_by_text("❌ exceeded p50", exact=True).wait_for(timeout=30_000)
        assert page.get_by_role("cell", name="GET /it").is_visible()
        browser.close()


def test_each_test_of_one_process_is_a_run_of_the_history(tmp_path: Path) -> None:
    """The web page starts and stops as many tests as its user likes."""
    port, history = free_port(), tmp_path / "history"
    process = locust(
        *("-f", str(LOCUSTFILES / "reported.py"), "--host", NOWHERE, "--web-host", "127.0.0.1"),
        *("--web-port", str(port), "--latency-history", str(history), "Reporter"),
        folder=tmp_path,
        MS="5",
    )

    def asked(path: str, form: bytes | None = None) -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", form, 5) as answer:
                return str(answer.read().decode())
        except OSError:
            return ""

    try:
        for runs in (1, 2):
            wait_for(lambda: asked("/swarm", b"user_count=1&spawn_rate=1"), "the start")
            wait_for(lambda: "GET /it" in asked("/latency"), "a request")
            asked("/stop", b"")
            wait_for(lambda: len([*history.glob("run-*.json")]) == runs, "a run")  # noqa: B023
    finally:
        process.terminate()
        process.communicate()
    samples = [read_artifact(path).records for path in sorted(history.glob("run-*.json"))]
    assert [record.test for (record,) in samples] == ["GET /it", "GET /it"]
