from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for `driving`, which the scripts use as well

from driving import served

with pytest.MonkeyPatch.context() as patch:
    # This process runs other tests, so Locust must not patch its standard library.
    patch.setenv("LOCUST_SKIP_MONKEY_PATCH", "1")
    import locust  # noqa: F401 - here, before a test module does


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    """A server with known latencies."""
    with served() as address:
        yield address
