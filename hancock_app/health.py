"""Whether this process can answer at all."""

from __future__ import annotations

SHALLOW = {"status": "ok"}
