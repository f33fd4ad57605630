"""Take the screenshots of the HTML report for docs/, from a gold artifact; run by hand.

python tests/reporting/shows/picture.py docs/images
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from pytest_hancock_latency.files.artifact import read_artifact
from pytest_hancock_latency.reporting.html import report_html

GOLD = Path(__file__).parents[1] / "artifacts" / "format-1.json"
PICTURES: dict[str, dict[str, Any]] = {
    "report-light.png": {"viewport": {"width": 1180, "height": 980}, "color_scheme": "light"},
    "report-dark.png": {"viewport": {"width": 1180, "height": 980}, "color_scheme": "dark"},
}


def main(folder: Path) -> None:
    artifact = read_artifact(GOLD)
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        page_file = Path(scratch) / "report.html"
        page_file.write_text(report_html(artifact.records, artifact.session), encoding="utf-8")
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for name, look in PICTURES.items():
            page = browser.new_context(**look).new_page()
            page.goto(page_file.as_uri())
            page.screenshot(path=folder / name)
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
