"""Durations as operators write them."""

from __future__ import annotations

import pytest

from hancock_app.settings import parse_seconds


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("0", 0.0),
        ("0.0", 0.0),
        ("250us", 0.00025),
        ("400ms", 0.4),
        ("1.5s", 1.5),
        (" 30 s ", 30.0),
        ("5min", 300.0),
        ("1h", 3600.0),
    ],
)
def test_a_duration_is_read_in_seconds(written: str, seconds: float) -> None:
    assert parse_seconds(written) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "written", ["", "5", "-1s", "1e3ms", "5 minutes", "ms", "٣s", "nan", "1.s"]
)
def test_anything_else_is_refused_with_examples(written: str) -> None:
    with pytest.raises(ValueError, match="expected a duration such as") as caught:
        parse_seconds(written)
    assert str(caught.value) == (
        f"expected a duration such as 250us, 400ms, 1.5s or 5min, got {written!r}"
    )
