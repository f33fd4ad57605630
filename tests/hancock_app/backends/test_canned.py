"""The canned backend."""

from __future__ import annotations

from hancock_app.backends import MODES
from hancock_app.backends.canned import CannedBackend


def test_the_canned_delay_is_waited_for() -> None:
    waited: list[float] = []
    CannedBackend(0.4, sleep=waited.append).answer("hi", "auto")
    assert waited == [0.4]


def test_every_mode_has_an_answer_of_its_own() -> None:
    answers = {CannedBackend().answer("hi", mode) for mode in MODES}
    assert len(answers) == len(MODES)
