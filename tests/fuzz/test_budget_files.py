"""Budget files: budgets as written, or one line that starts with the path."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example
from hypothesis import strategies as st

from pytest_hancock_latency.core.budget import parse_terms
from pytest_hancock_latency.errors import BudgetError, ProfileError
from pytest_hancock_latency.files.budget import read_budgets
from pytest_hancock_latency.files.hardware import requested_profile

from .fuzzing import damaged_bytes, damaged_text, fuzzed, json_values, odd_words, seeds

WHOLE = """\
extends = "base.toml"

[tool.hancock-latency.budgets."GET /health"]
p50 = 10
p95 = "25ms"
p99 = 50.5
p99_9 = "1.5s"
errors = "0.1%"
tests = ["tests/api", "test_health"]
rps = ">= 200"

[tool.hancock-latency.budgets."POST /v1/*"]
max = "2s"
percentiles = {p10 = 5, p99 = "900ms"}
samples = 100
max_samples = 1000
time_limit = "10s"
least_time = "1s"
warmup = 10
strict = true
regression = "20%"

[tool.hancock-latency.profiles.runner]
cores = "2-4"
memory_gb = "7-16"
free_disk_gb = 10
python = "3.12"
architecture = "x86_64"
"""
BASE = '[budgets."GET /health"]\np75 = 20\n\n[budgets.base]\np50 = "1s"\n'


def is_read_or_refused(path: Path) -> None:
    path.with_name("base.toml").write_text(BASE, encoding="utf-8")
    try:
        budgets = read_budgets(path)
    except BudgetError as error:
        # A file that it extends may be the one that cannot be read.
        assert Path(str(error).partition(": ")[0]).is_absolute(), str(error)
    else:
        for name, terms in budgets.items():
            assert terms.budget_name == name
            limits = [limit.limit_ns for limit in terms.budget().limits]
            assert limits == sorted(limits)
    for profile in ("runner", "require:runner", "ci", "nowhere"):
        try:
            requested_profile(profile, path).plain({"cores": 2, "python": "3.12.1"})
        except ProfileError as error:
            assert str(error).startswith(f"{path}: "), str(error)


@pytest.fixture
def budget_file(tmp_path: Path) -> Path:
    return tmp_path / "budgets.toml"


@pytest.mark.parametrize("seed", seeds("budget-files"), ids=lambda path: path.name)
def test_a_kept_file_is_read_or_refused(seed: Path, budget_file: Path) -> None:
    budget_file.write_bytes(seed.read_bytes())
    is_read_or_refused(budget_file)


@fuzzed("budget files", damaged_text(st.just(WHOLE)))
@example(WHOLE)
@example(WHOLE.replace("base.toml", "../x" * 2000))
def test_a_damaged_file_is_read_or_refused(budget_file: Path, text: str) -> None:
    budget_file.write_bytes(text.encode("utf-8", "surrogatepass"))
    is_read_or_refused(budget_file)


@fuzzed("budget files", damaged_bytes(st.just(WHOLE.encode())), slower=2)
def test_damaged_bytes_are_read_or_refused(budget_file: Path, content: bytes) -> None:
    budget_file.write_bytes(content)
    is_read_or_refused(budget_file)


def toml(value: Any) -> str:
    """Write a JSON value as TOML, where it has one."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, float):
        return repr(value)
    return '""' if value is None else json.dumps(value)


KEYS = (
    *("p50", "p99", "max", "percentiles", "errors", "samples", "time_limit", "least_time", "rps"),
    *("tests", "strict", "warmup", "name", "regression", "cores", "memory_gb", "python"),
)


@fuzzed(
    "budget files",
    st.sampled_from(("budgets", "tool.hancock-latency.budgets", "tool.hancock-latency.profiles")),
    st.sampled_from(("runner", "GET /health")),
    st.dictionaries(st.sampled_from(KEYS), json_values | odd_words, min_size=1, max_size=3),
)
def test_any_values_are_read_or_refused(
    budget_file: Path, table: str, name: str, entry: dict[str, Any]
) -> None:
    lines = [f"{key} = {toml(value)}\n" for key, value in entry.items()]
    text = f"[{table}.{json.dumps(name)}]\n{''.join(lines)}"
    budget_file.write_bytes(text.encode("utf-8", "surrogatepass"))
    is_read_or_refused(budget_file)


names = st.text("abc /*-_.é\"\\'", min_size=1, max_size=8)
limits = st.lists(st.integers(1, 10**6), min_size=3, max_size=3).map(sorted)


@fuzzed("budget files", st.dictionaries(names, limits, min_size=1, max_size=4), slower=2)
def test_a_valid_file_has_the_budgets_that_were_written(
    budget_file: Path, budgets: dict[str, list[int]]
) -> None:
    lines = []
    for name, (p50, p95, p99) in budgets.items():
        lines.append(f"[budgets.{json.dumps(name)}]\np50 = {p50}\np95 = '{p95}us'\np99 = {p99 + 1}")
    # Limits in microseconds never decrease if p95 is read as what it is.
    budget_file.write_text("\n".join(lines), encoding="utf-8")
    expected = {}
    for name, (p50, p95, p99) in budgets.items():
        if p95 * 1000 < p50 * 10**6:
            with pytest.raises(BudgetError, match="limits must not decrease"):
                read_budgets(budget_file)
            return
        expected[name] = parse_terms({"p50": p50, "p95": f"{p95}us", "p99": p99 + 1}).limits
    assert expected == {name: terms.limits for name, terms in read_budgets(budget_file).items()}
