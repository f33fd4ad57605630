"""The HTML report in a real browser: pictures, keyboard, phone, dark, and for screen readers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from pytest_hancock_latency.core.record import Artifact
from pytest_hancock_latency.reporting.html import report_html, trend_html
from pytest_hancock_latency.runs.change_points import ChangePoint
from pytest_hancock_latency.runs.trend import trend_of

from ..programs import needs
from . import gold

PHONE = {"width": 360, "height": 740}
DESK = {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = needs("chromium", "chromium")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def report(tmp_path: Path) -> Path:
    """Twenty samples, so that most are closed and can be searched."""
    artifact = gold.artifact()
    records = [replace(r, test=f"{r.test}[{i}]") for i in range(5) for r in artifact.records]
    path = tmp_path / "latency-report.html"
    path.write_text(report_html(records, artifact.session), encoding="utf-8")
    return path


@pytest.fixture
def page(browser: Browser, report: Path) -> Iterator[Page]:
    """The report on a desk; anything it says on the console, or asks of a network, fails."""
    context = browser.new_context(viewport=DESK, offline=True)  # type: ignore[arg-type]
    opened, said = context.new_page(), []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("request", lambda r: said.append(r.url) if not r.url.startswith("file:") else None)
    opened.goto(report.as_uri())
    yield opened
    assert said == []
    context.close()


def first_column(page: Page, number: int) -> list[str]:
    cells = page.locator(f"#overview tbody tr > :nth-child({number})")
    return [text.strip() for text in cells.all_inner_texts()]


def test_a_column_is_sorted_by_the_keyboard_and_says_so(page: Page) -> None:
    heading = page.locator("#overview thead th", has_text="p99")
    heading.locator("button").focus()
    page.keyboard.press("Enter")
    assert heading.get_attribute("aria-sort") == "ascending"
    ascending = [float(text) for text in first_column(page, 6)]
    assert ascending == sorted(ascending)
    page.keyboard.press("Space")
    assert heading.get_attribute("aria-sort") == "descending"
    assert [float(text) for text in first_column(page, 6)] == ascending[::-1]


def test_the_skip_link_is_the_first_stop_and_leads_to_the_samples(page: Page) -> None:
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the samples"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "samples"


def test_following_a_row_opens_its_sample_and_takes_the_focus_along(page: Page) -> None:
    link = page.locator("#overview a", has_text="test_health[3]")
    section = page.locator(link.get_attribute("href") or "")
    assert section.get_attribute("open") is None
    link.focus()
    page.keyboard.press("Enter")
    section.locator("svg").first.wait_for(state="visible")
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"


def test_the_finder_hides_what_is_not_meant_and_counts_the_rest(page: Page) -> None:
    page.locator("#finder").fill("became_slow[2]")
    assert page.locator("#overview tbody tr:visible").count() == 1
    assert page.locator("#found").inner_text() == "1 found"


def test_one_verdict_can_be_picked_out(page: Page) -> None:
    page.locator("#verdict").select_option("exceeded")
    rows = page.locator("#overview tbody tr:visible")
    assert 0 < rows.count() < page.locator("#overview tbody tr").count()
    assert all("exceeded" in text for text in rows.all_inner_texts())
    assert page.locator("#samples > details:visible").count() == rows.count()


def test_pictures_are_drawn_inside_their_frame(page: Page) -> None:
    frame = page.locator("#sample-1 svg").first.bounding_box()
    bars = page.locator("#sample-1 svg .area.raw").first.bounding_box()
    assert frame is not None
    assert bars is not None
    assert frame["x"] <= bars["x"]
    assert bars["x"] + bars["width"] <= frame["x"] + frame["width"]
    assert bars["height"] > 100


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
def test_it_is_accessible_and_fits(
    browser: Browser, report: Path, viewport: dict[str, int], scheme: str
) -> None:
    context = browser.new_context(viewport=viewport, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(report.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"]
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    context.close()


def test_words_in_pictures_can_be_read_on_a_phone(browser: Browser, report: Path) -> None:
    context = browser.new_context(viewport=PHONE)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(report.as_uri())
    box = page.locator("#sample-1 svg text").first.bounding_box()
    assert box is not None
    assert box["height"] >= 9
    context.close()


def test_without_script_everything_is_still_there(browser: Browser, report: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())
    assert page.locator("#overview tbody tr").count() == 20
    assert page.locator("details[open] svg").first.is_visible()
    context.close()


@pytest.fixture
def trend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The trend of 60 runs."""
    artifact = gold.artifact()
    runs = [
        Artifact({**artifact.session, "started_unix_s": at * 86_400.0}, artifact.records)
        for at in range(60)
    ]
    path = tmp_path / "trend.html"
    changes = [ChangePoint(40, 1e6, 1.1e6)]
    monkeypatch.setattr("pytest_hancock_latency.runs.trend.change_points", lambda _: changes)
    path.write_text(trend_html(trend_of(runs), 60), encoding="utf-8")
    return path


@pytest.mark.long
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
def test_a_trend_is_accessible_fits_and_can_be_read(
    browser: Browser, trend: Path, viewport: dict[str, int], scheme: str
) -> None:
    context = browser.new_context(viewport=viewport, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(trend.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"]
    box = page.locator("#samples svg text").first.bounding_box()
    assert box is not None
    assert box["height"] >= 9
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    context.close()
