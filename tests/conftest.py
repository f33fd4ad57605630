from __future__ import annotations

import os
from contextlib import suppress

import pytest

with suppress(ImportError):  # the benchmark suite, which is in this folder, needs no Hypothesis
    from hypothesis import HealthCheck, settings

    # How quick a machine is that others use as well is no property of the code.
    settings.register_profile(
        "shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.load_profile("shared machine")

OURS = "HANCOCK_"
"""Begins the variables of Hancock, of the plugin and of the Locust gate."""
OF_THE_TESTS = "HANCOCK_TESTS_"
"""Begins those that say how the tests run."""
OF_THIS_SESSION = (
    *(OURS, "PYTEST_XDIST_"),
    *("GITHUB_", "GITLAB_CI", "TF_BUILD", "JENKINS_URL"),
)


@pytest.fixture(autouse=True)
def no_settings_of_the_shell(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tests and the programs that they start see no `HANCOCK_` variable of the shell.

    The gates of `benchmark_suite.py` do: they measure Hancock as the environment sets it.
    """
    if getattr(request.module, "READS_THE_ENVIRONMENT", False):
        return
    for name in list(os.environ):
        if name.startswith(OURS) and not name.startswith(OF_THE_TESTS):
            monkeypatch.delenv(name)


@pytest.fixture
def pytester(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A pytest to run inside this one that sees none of the settings of this one.

    This session may itself be gated, be a worker of pytest-xdist or run at a CI provider.
    """
    for name in os.environ:
        if name.startswith(OF_THIS_SESSION):
            monkeypatch.delenv(name)
    return pytester
