from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for `driving`, which the shows use as well

from driving import served


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    """A server whose latencies are known."""
    with served() as address:
        yield address
