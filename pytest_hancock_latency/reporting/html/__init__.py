"""The HTML report: one self-contained file, with charts as SVG.

    page → overview → row
         → sample_section → charts → scales

Everything is built as elements, so all texts are escaped.
"""

from __future__ import annotations

from .duel_page import duel_html
from .page import report_html
from .trend_page import trend_html

__all__ = ["duel_html", "report_html", "trend_html"]
