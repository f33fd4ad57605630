"""Changes to a budget file that keep its comments and its order."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import pytest

from pytest_hancock_latency.errors import BudgetError
from pytest_hancock_latency.files.budget import read_budgets
from pytest_hancock_latency.files.budget_edit import with_limits
from pytest_hancock_latency.runs.ratchet import Tightened

MS = 1_000_000
P50, P99, P999 = Fraction(1, 2), Fraction(99, 100), Fraction(999, 1000)
BUDGETS = """\
# Agreed with the shop.
[budgets.search]
p99 = "50ms"   # the tail
p50 = 20       # most of them

[budgets."GET /orders"]
errors = "1%"
p99_9 = 100
"""


def lower(budget: str, quantile: Fraction, before_ms: float, after_ms: float) -> Tightened:
    return Tightened(budget, quantile, round(before_ms * MS), round(after_ms * MS), 20)


def changed(path: Path, *limits: Tightened, text: str = BUDGETS) -> str:
    path.write_text(text, encoding="utf-8")
    before, after = with_limits(path, limits)
    assert before == text
    return after


def test_comments_order_and_kinds_of_values_stay(tmp_path: Path) -> None:
    pytest.importorskip("tomlkit")
    limits = [
        lower("search", P50, 20, 12.5),
        lower("search", P99, 50, 30),
        lower("GET /orders", P999, 100, 80),
    ]
    assert changed(tmp_path / "budgets.toml", *limits) == (
        BUDGETS.replace("50ms", "30ms").replace("= 20 ", "= 12.5 ").replace("= 100", "= 80")
    )


def test_what_is_written_is_what_the_plugin_reads(tmp_path: Path) -> None:
    pytest.importorskip("tomlkit")
    path = tmp_path / "budgets.toml"
    path.write_text(changed(path, lower("search", P99, 50, 30.5)), encoding="utf-8")
    assert read_budgets(path)["search"].limits[P99] == 30_500_000


def test_a_percentile_may_be_in_quotes(tmp_path: Path) -> None:
    pytest.importorskip("tomlkit")
    text = '[budgets.search]\n"p99.9" = "1s"\n'
    after = changed(tmp_path / "budgets.toml", lower("search", P999, 1000, 800), text=text)
    assert after == '[budgets.search]\n"p99.9" = "800ms"\n'


def test_a_project_file_has_its_budgets_in_a_table_of_tools(tmp_path: Path) -> None:
    pytest.importorskip("tomlkit")
    text = "[project]\nname = 'shop'\n\n[tool.hancock-latency.budgets]\nsearch = {p50 = 20}\n"
    after = changed(tmp_path / "pyproject.toml", lower("search", P50, 20, 12), text=text)
    assert after == text.replace("p50 = 20", "p50 = 12")


@pytest.mark.parametrize(
    "limit", [lower("other", P50, 20, 10), lower("search", P999, 20, 10)], ids=["name", "limit"]
)
def test_a_limit_of_an_extended_file_is_not_changed_here(tmp_path: Path, limit: Tightened) -> None:
    pytest.importorskip("tomlkit")
    path = tmp_path / "budgets.toml"
    with pytest.raises(BudgetError) as refused:
        changed(path, limit)
    percentile = "p50" if limit.quantile == P50 else "p99.9"
    assert str(refused.value) == (
        f'{path}: {percentile} of "{limit.budget}" is not in this file, but in one that it '
        "extends: give that one"
    )


def test_without_tomlkit_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tomlkit", None)
    with pytest.raises(BudgetError) as refused:
        changed(tmp_path / "budgets.toml", lower("search", P50, 20, 12))
    assert str(refused.value) == (
        "changing a budget file takes tomlkit: pip install 'pytest-hancock-latency[toml]'"
    )
