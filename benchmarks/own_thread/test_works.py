"""Gates for seven kinds of work, without limits: those are in the budget file.

With ``TIMES=2`` in the environment, each call does its work twice.
"""

from __future__ import annotations

import os

import works

from pytest_hancock_latency import Sampler


def times(call: works.Call) -> works.Call:
    """Return the call, or one that makes it twice."""
    if os.environ.get("TIMES", "1") == "1":
        return call

    def twice() -> object:
        call()
        return call()

    return twice


def test_integers(sample: Sampler) -> None:
    sample(times(works.integers()))


def test_dict(sample: Sampler) -> None:
    sample(times(works.dictionary()))


def test_json(sample: Sampler) -> None:
    sample(times(works.json_document()))


def test_regex(sample: Sampler) -> None:
    sample(times(works.regular_expression()))


def test_flask(sample: Sampler) -> None:
    sample(times(works.flask_request()))


def test_sqlite(sample: Sampler) -> None:
    sample(times(works.sqlite()))


def test_numpy(sample: Sampler) -> None:
    sample(times(works.numpy_arrays()))
