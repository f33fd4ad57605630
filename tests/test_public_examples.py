"""Every public name has an example in its docstring, and the examples are right."""

from __future__ import annotations

import doctest
from fractions import Fraction

import pytest

import pytest_hancock_latency

PUBLIC = {name: getattr(pytest_hancock_latency, name) for name in pytest_hancock_latency.__all__}


@pytest.mark.parametrize("name", PUBLIC)
def test_the_examples_of_a_public_name_are_right(name: str) -> None:
    names = {**PUBLIC, "Fraction": Fraction}
    found = doctest.DocTestFinder(recurse=False).find(PUBLIC[name], name, globs=names)
    runner = doctest.DocTestRunner(optionflags=doctest.IGNORE_EXCEPTION_DETAIL)
    ran = [runner.run(example) for example in found]
    assert sum(result.attempted for result in ran) > 0
    assert sum(result.failed for result in ran) == 0
