from __future__ import annotations

import os
from contextlib import suppress

import pytest

with suppress(ImportError):  # the benchmark suite in this folder does not need Hypothesis
    from hypothesis import HealthCheck, settings

    # The speed of a shared machine is not a property of the code.
    settings.register_profile(
        "shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.load_profile("shared machine")

OURS = "HANCOCK_"
"""Prefix of the variables of Hancock, the plugin and the Locust gate."""
OF_THE_TESTS = "HANCOCK_TESTS_"
"""Prefix of the variables that configure the tests."""
OF_THIS_SESSION = (
    *(OURS, "PYTEST_XDIST_"),
    *("GITHUB_", "GITLAB_CI", "TF_BUILD", "JENKINS_URL"),
)


@pytest.fixture(autouse=True)
def no_settings_of_the_shell(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hide the shell's `HANCOCK_` variables from tests and the programs they start.

    Only `benchmark_suite.py` sees them, because it measures Hancock as configured.
    """
    if getattr(request.module, "READS_THE_ENVIRONMENT", False):
        return
    for name in list(os.environ):
        if name.startswith(OURS) and not name.startswith(OF_THE_TESTS):
            monkeypatch.delenv(name)


@pytest.fixture
def pytester(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A nested pytest that sees no settings of this session.

    This session may itself use the plugin, be an xdist worker or run on CI.
    """
    for name in os.environ:
        if name.startswith(OF_THIS_SESSION):
            monkeypatch.delenv(name)
    return pytester
