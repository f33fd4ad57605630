"""The HTML report: one file without a network, drawn here as SVG.

    page → overview → row
         → sample_section → charts → scales

Everything is built as elements, so every text is escaped by construction.
"""

from __future__ import annotations

from .duel_page import duel_html
from .page import report_html

__all__ = ["duel_html", "report_html"]
