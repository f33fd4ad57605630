"""A tab in Locust's web page with verdict and evidence while the test runs, and a separate page.

The tab is one of Locust's extended tables: Locust's page polls ``/stats/requests`` every two
seconds and fills it with the contents of ``extended_stats``. ``/latency`` has the same content as
plain text, for scripts, and ``/latency/report`` is the HTML report of the run so far.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from html import escape
from typing import Any, Final

from ..core.record import Record
from ..reporting.advice import advice_text
from ..reporting.html import report_html
from ..reporting.table import HEADINGS, PERCENTILES, rows
from ..reporting.wording import EMOJI, explain
from .coordinator import Coordinator

KEY: Final = "latency-budgets"
TITLE: Final = "Latency budgets"
_COLUMNS: Final = ("sample", "n", *PERCENTILES, "limits", "verdict", "evidence")
_TITLES: Final = (*HEADINGS, "evidence and advice")
_STATISTICS: Final = ("locust.request_stats", "request_stats")
"""Endpoints of Locust's own statistics: current versions use a blueprint, older ones do not."""
_FRESH_S: Final = 1.0
_PAGE: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="2">
<title>Latency budgets</title>
<body><pre>{text}</pre><p><a href="{report}">HTML report with charts</a></p></body></html>
"""


def add_tab(web_ui: Any, coordinator: Coordinator) -> None:
    """Add tab and page to Locust's web interface."""
    live = WebView(coordinator)
    _extend(web_ui.template_args, "extended_tabs", {"title": TITLE, "key": KEY})
    _extend(web_ui.template_args, "extended_tables", {"key": KEY, "structure": structure()})
    views = web_ui.app.view_functions
    endpoint = next(name for name in _STATISTICS if name in views)
    statistics = views[endpoint]

    def with_budgets(*arguments: Any, **keywords: Any) -> Any:
        response = statistics(*arguments, **keywords)
        if response.is_json:
            response.set_data(json.dumps(live.beside(response.get_json())))
        return response

    views[endpoint] = with_budgets
    base = getattr(web_ui.environment.parsed_options, "web_base_path", "")
    report = f"{base}/latency/report"
    for path, endpoint, view in (
        (f"{base}/latency", "hancock_latency", lambda: live.page(report)),
        (report, "hancock_latency_report", live.report),
    ):
        guarded = web_ui.auth_required_if_enabled(view)
        web_ui.app.add_url_rule(path, endpoint=endpoint, view_func=guarded)


def structure() -> list[dict[str, str]]:
    """Return the columns of the tab."""
    return [{"key": key, "title": title} for key, title in zip(_COLUMNS, _TITLES, strict=True)]


def table(records: Sequence[Record]) -> list[dict[str, str]]:
    """Return the rows of the tab.

    Locust's page shows cells as plain text, so only the sign of a verdict has a colour.
    """
    cells_by_column = []
    for record, row in zip(records, rows(records), strict=True):
        advice = [advice_text(advice) for advice in record.measurement.advice]
        evidence = "; ".join([*explain(record), *advice])
        *other_cells, verdict = row.cells
        cells = (*other_cells, f"{EMOJI[record.outcome]} {verdict}", evidence)
        cells_by_column.append(dict(zip(_COLUMNS, cells, strict=True)))
    return cells_by_column


class WebView:
    """The state of the run, judged at most once per second for any number of viewers."""

    def __init__(
        self, coordinator: Coordinator, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._coordinator, self._clock = coordinator, clock
        self._judged_at, self._records = -_FRESH_S, list[Record]()

    def records(self) -> list[Record]:
        """Return the records of the run, judged at most a second ago."""
        if self._clock() - self._judged_at >= _FRESH_S:
            self._records, self._judged_at = self._coordinator.judge(), self._clock()
        return self._records

    def beside(self, statistics: dict[str, Any]) -> dict[str, Any]:
        """Return Locust's statistics with the rows of the tab added."""
        tables = [table_ for table_ in statistics.get("extended_stats", []) if table_["key"] != KEY]
        tab = {"key": KEY, "data": table(self.records())}
        return {**statistics, "extended_stats": [*tables, tab]}

    def page(self, report: str) -> str:
        """Return the separate page.

        Args:
            report: URL of the report.
        """
        lines = self._coordinator.summary_lines(self.records())
        return _PAGE.format(text=escape("\n".join(lines)), report=escape(report))

    def report(self) -> str:
        """Return the HTML report of the run so far."""
        records = self.records()
        return report_html(records, self._coordinator.session(records))


def _extend(arguments: dict[str, Any], key: str, value: object) -> None:
    arguments[key] = [*arguments.get(key, []), value]
