"""Each example runs as its README says, as a copy in a suite that is not ours."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
ALONE = ("-p", "hancock_latency", "-p", "no:cacheprovider")
NEIGHBOURS = {"fastapi_service": ("-p", "anyio")}
NEEDS = {
    "flask_service": ("flask",),
    "fastapi_service": ("fastapi", "httpx", "anyio"),
    "openmetrics": ("prometheus_client",),
}
TESTS = {
    "artifact_fields": 1,
    "bencher": 1,
    "fastapi_service": 2,
    "flask_service": 3,
    "openmetrics": 1,
    "plain_function": 2,
    "posted_records": 1,
    "quickstart": 3,
    "sqlite_query": 1,
    "subprocess_command": 1,
}


@pytest.fixture(autouse=True)
def no_other_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


def test_no_example_is_forgotten() -> None:
    assert sorted(TESTS) == sorted(path.parent.name for path in EXAMPLES.glob("*/README.md"))


@pytest.mark.parametrize("name", TESTS)
def test_every_budget_of_the_example_is_measured(pytester: pytest.Pytester, name: str) -> None:
    for module in NEEDS.get(name, ()):
        pytest.importorskip(module)
    shutil.copytree(
        EXAMPLES / name, pytester.path / name, ignore=shutil.ignore_patterns("__pycache__")
    )
    # Measured and told, never failed: the machine may be as busy as it likes.
    result = pytester.runpytest_subprocess(
        *ALONE, *NEIGHBOURS.get(name, ()), "--latency=report", name
    )
    result.assert_outcomes(passed=TESTS[name])
    assert "latency budgets" in result.stdout.str()


@pytest.mark.parametrize("name", TESTS)
def test_the_readme_of_the_example_has_its_command(name: str) -> None:
    readme = (EXAMPLES / name / "README.md").read_text(encoding="utf-8")
    assert f"    pytest examples/{name}\n" in readme
