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

OF_THIS_SESSION = (
    *("HANCOCK_", "PYTEST_XDIST_"),
    *("GITHUB_", "GITLAB_CI", "TF_BUILD", "JENKINS_URL"),
)


@pytest.fixture
def pytester(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A pytest to run inside this one that sees none of the settings of this one.

    This session may itself be gated, be a worker of pytest-xdist or run at a CI provider.
    """
    for name in os.environ:
        if name.startswith(OF_THIS_SESSION):
            monkeypatch.delenv(name)
    return pytester
