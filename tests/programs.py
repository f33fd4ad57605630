"""What tests need in addition to Python and pytest."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest


def needs(program: str, package: str) -> str:
    """Return the path of `program`; without it the test fails: a skip would hide the gap."""
    found = shutil.which(program)
    if found is None:
        missing = f"{program} is missing: apt-get install {package}"
        if os.environ.get("HANCOCK_TESTS_WITHOUT_SERVICES") == "1":
            pytest.skip(missing)
        pytest.fail(f"{missing}, or set HANCOCK_TESTS_WITHOUT_SERVICES=1 to go without")
    return found


def bound_by_modes() -> list[str]:
    """Return a command prefix that makes folder permissions effective for root.

    Empty for other users.
    """
    if os.name == "nt":
        pytest.skip("needs the modes of Unix")
    if os.geteuid() != 0:
        return []
    bound = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    if shutil.which("setpriv") is None:
        pytest.skip("this is root, whom no mode binds, and setpriv is missing")
    if subprocess.run([*bound, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this is root, whom no mode binds, and capabilities cannot be dropped here")
    return bound
