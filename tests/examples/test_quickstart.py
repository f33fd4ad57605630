"""The quickstart works as it is printed in the README."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "quickstart" / "test_search.py"
README = ROOT / "README.md"
ALONE = ("-p", "hancock_latency", "-p", "no:cacheprovider")


@pytest.fixture(autouse=True)
def no_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


def test_every_budget_of_the_quickstart_is_measured(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_search=EXAMPLE.read_text(encoding="utf-8"))
    result = pytester.runpytest_subprocess(*ALONE, "--latency=report")
    result.assert_outcomes(passed=3)
    result.stdout.re_match_lines(
        [
            r"=+ latency budgets \(mode report: budgets never fail tests\) =+",
            r"test_search.py::test_finding_a_word +\d+ .* 0.05 / 0.1 / 1 .*",
            r"test_search.py::test_health +\d+ .* 10 / 25 / 50 .*",
            r"test_search.py::test_the_whole_test_is_the_request +\d+ .* p95 50 .*",
        ]
    )


def test_a_budget_of_the_quickstart_that_is_too_tight_fails(pytester: pytest.Pytester) -> None:
    source = EXAMPLE.read_text(encoding="utf-8").replace("p50=10, p95=25", "p50='1us', p95=25")
    pytester.makepyfile(test_search=source)
    result = pytester.runpytest_subprocess(*ALONE, "-k", "health")
    result.assert_outcomes(failed=1, deselected=2)
    result.stdout.re_match_lines([r"p50 \d+(\.\d+)? µs > 1 µs, \d+ of \d+ over"])


def readme_blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def test_the_first_block_of_the_readme_runs_as_it_stands(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_search=readme_blocks()[0])
    result = pytester.runpytest_subprocess(*ALONE, "--latency=report")
    result.assert_outcomes(passed=1)


def test_the_assert_of_the_first_block_can_fail(pytester: pytest.Pytester) -> None:
    block = readme_blocks()[0].replace("bisect.bisect_left", "bisect.bisect_right")
    pytester.makepyfile(test_search=block)
    result = pytester.runpytest_subprocess(*ALONE, "--latency=report")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *AssertionError: assert 'word-47110' == 'word-4711'"])


def test_the_readme_shows_the_example_as_it_is() -> None:
    example = EXAMPLE.read_text(encoding="utf-8")
    body = [line for block in readme_blocks()[:2] for line in block.splitlines() if line.strip()]
    assert [line for line in body if line not in example] == ["# test_search.py"]
