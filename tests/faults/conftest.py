"""Fixtures of the rooms whose faults are tested here."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "locust_gate"))

from ..locust_gate.conftest import host  # noqa: F401
from ..plugin.conftest import suite  # noqa: F401
