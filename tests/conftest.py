from __future__ import annotations

import os

import pytest

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
