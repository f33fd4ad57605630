"""What docs/moving.md puts beside other tools' files runs, and its budgets can be read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pytest_hancock_latency.files.budget import read_budgets

pytestmark = pytest.mark.long

TEXT = (Path(__file__).parents[2] / "docs" / "moving.md").read_text(encoding="utf-8")
HERE = re.findall(r"```python\n# here\n(.*?)```", TEXT, re.DOTALL)
(LOCUSTFILE,) = re.findall(r"```python\n# locustfile.py\n(.*?)```", TEXT, re.DOTALL)
(BUDGETS,) = re.findall(r"```toml\n# budgets.toml\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture(autouse=True)
def no_other_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


def test_every_block_is_from_before_or_run() -> None:
    kinds = re.findall(r"```\w+\n(?:#|//) (.*)\n", TEXT)
    assert sorted(kinds) == sorted(
        [*["before"] * 3, *["here"] * len(HERE), "locustfile.py", "budgets.toml"]
    )


def test_every_test_of_the_page_is_measured(pytester: pytest.Pytester) -> None:
    names = {f"test_{number}": source for number, source in enumerate(HERE)}
    pytester.makepyfile(shop="def search(word): return [word]", **names)
    result = pytester.runpytest_subprocess(
        "-p", "hancock_latency", "-p", "no:cacheprovider", "--latency=report"
    )
    result.assert_outcomes(passed=len(HERE))
    assert "latency budgets" in result.stdout.str()


def test_the_budgets_of_the_page_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "budgets.toml"
    path.write_text(BUDGETS, encoding="utf-8")
    budgets = read_budgets(path)
    assert list(budgets) == ["GET /health", "Aggregated"]
    assert budgets["Aggregated"].least_per_s == 200


def test_the_locustfile_of_the_page_is_python() -> None:
    compile(LOCUSTFILE, "locustfile.py", "exec")
