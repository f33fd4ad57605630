from __future__ import annotations

import os

import pytest


@pytest.fixture
def pytester(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A pytest to run inside this one that sees none of the settings of this one.

    This session may itself be gated, be a worker of pytest-xdist or run on GitHub.
    """
    for name in os.environ:
        if name.startswith(("HANCOCK_", "PYTEST_XDIST_")) or name == "GITHUB_STEP_SUMMARY":
            monkeypatch.delenv(name)
    return pytester
