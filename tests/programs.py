"""Programs that tests need beside Python."""

from __future__ import annotations

import os
import shutil
import subprocess

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


def bound_by_modes() -> list[str]:
    """What goes before a command so that a folder's mode binds it: root writes to any.

    Nothing for other users.
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
