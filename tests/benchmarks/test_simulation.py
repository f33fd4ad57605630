"""The simulation judges as the measuring loop does, and its recordings can be replayed."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("scipy")

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scripts find what they share next to themselves."""
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])


class Recorded(float):
    """A latency in ms of a thread that ran all the time."""

    wait, speed, t, blocking = 0.0, 1.0, None, False

    @property
    def cpu(self) -> float:
        return float(self)


@pytest.mark.parametrize(
    ("expected", "ms"), [("within", 1.0), ("exceeds", 20.0)], ids=["quick", "slow"]
)
def test_the_gate_says_within_or_exceeds(expected: str, ms: float) -> None:
    import operating_characteristics

    samples = (Recorded(ms) for _ in range(2000))
    assert expected == operating_characteristics.gate(samples, {0.5: 5.0, 0.99: 10.0})


def test_the_gate_is_inconclusive_when_observations_end_too_early() -> None:
    import operating_characteristics

    samples = (Recorded(1.0) for _ in range(353))
    assert operating_characteristics.gate(samples, {0.99: 10.0}) == "inconclusive"


def test_the_gate_takes_no_more_than_it_needs() -> None:
    import operating_characteristics

    samples = iter([Recorded(1.0)] * 400)
    operating_characteristics.gate(samples, {0.99: 10.0})
    assert len(list(samples)) == 400 - 366


@pytest.mark.parametrize("ratio", [0.9, 1.5])
def test_leaving_looks_out_changes_no_verdict(
    ratio: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    from simulation import engine
    from simulation.distributions import DISTRIBUTIONS
    from simulation.noise import preempted

    of = DISTRIBUTIONS["lognormal 0.3"]
    budget = engine.budget_of({share: of.quantile(share) / ratio for share in (0.5, 0.99)})

    def judged() -> list[str]:
        feeds = [preempted(0.005)(of, np.random.default_rng(seed)) for seed in range(10)]
        return [str(engine.decide(feed, budget)) for feed in feeds]

    skipping = judged()
    monkeypatch.setattr(engine._Skip, "may_show_exceeded", lambda *_: True)
    assert judged() == skipping


def test_a_distribution_has_the_quantiles_that_it_says() -> None:
    from simulation.distributions import DISTRIBUTIONS

    for of in DISTRIBUTIONS.values():
        drawn = of.draw(np.random.default_rng(1), 200_000)
        assert pytest.approx(0.05, abs=0.004) == float((drawn > of.quantile(0.95)).mean()), of.name


def test_a_replay_goes_round_and_round_in_time() -> None:
    from simulation.recorded import NAMES, recording, replay

    for name in NAMES:
        columns = replay(name, np.random.default_rng(1)).columns
        ends = columns.start + columns.wall
        assert len(columns.wall) == 20_000
        assert (columns.start[1:] >= ends[:-1]).all(), name
        assert len(recording(name)) <= 20_000


def test_slower_code_takes_longer_and_the_machine_the_same() -> None:
    from simulation.recorded import replay

    usual, slower = (replay("small_busy", np.random.default_rng(1), s).columns for s in (1.0, 2.0))
    assert (usual.wait == slower.wait).all()
    assert (slower.wall - slower.wait == 2 * (usual.wall - usual.wait)).all()
