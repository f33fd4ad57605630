"""Programs that tests need beside Python."""

from __future__ import annotations

import os
import shutil

import pytest


def needs(program: str, package: str) -> str:
    """The path of `program`; a test without it fails, since a skip would hide what is untested."""
    found = shutil.which(program)
    if found is None:
        missing = f"{program} is missing: apt-get install {package}"
        if os.environ.get("HANCOCK_TESTS_WITHOUT_SERVICES") == "1":
            pytest.skip(missing)
        pytest.fail(f"{missing}, or set HANCOCK_TESTS_WITHOUT_SERVICES=1 to go without")
    return found
