"""What is published is what was meant: the built wheel, its metadata, and the pinned versions."""

from __future__ import annotations

import configparser
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from email.message import Message
from email.parser import Parser
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("pytest_hancock_latency", "hancock_app")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built without network: `--no-isolation` takes the hatchling that is installed."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    built = subprocess.run([*command, str(ROOT)], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> Message:
    return Parser().parsestr(dist_info(wheel, "METADATA"))


@pytest.fixture(scope="module")
def entry_points(wheel: zipfile.ZipFile) -> dict[str, dict[str, str]]:
    parser = configparser.ConfigParser(delimiters=("=",))
    parser.read_string(dist_info(wheel, "entry_points.txt"))
    return {group: dict(parser[group]) for group in parser.sections()}


def dist_info(wheel: zipfile.ZipFile, name: str) -> str:
    (path,) = (path for path in wheel.namelist() if path.endswith(f".dist-info/{name}"))
    return wheel.read(path).decode()


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]  # type: ignore[no-any-return]


def lock_lines() -> list[str]:
    """Requirements without their hashes."""
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    return [line.removesuffix(" \\") for line in lines if line and line[0] not in "# "]


def test_the_wheel_holds_the_two_packages_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    tops = {path.split("/")[0] for path in wheel.namelist()}
    assert set(PACKAGES) == {top for top in tops if not top.endswith(".dist-info")}


@pytest.mark.parametrize("package", PACKAGES)
def test_the_wheel_holds_every_module_of_the_package(wheel: zipfile.ZipFile, package: str) -> None:
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / package).rglob("*.py")}
    assert modules
    assert modules == {
        path for path in wheel.namelist() if path.startswith(f"{package}/") and path.endswith(".py")
    }


@pytest.mark.parametrize("package", PACKAGES)
def test_type_checkers_are_told_that_the_package_is_typed(
    wheel: zipfile.ZipFile, package: str
) -> None:
    assert f"{package}/py.typed" in wheel.namelist()


def test_pytest_finds_the_plugin_as_hancock_latency(
    entry_points: dict[str, dict[str, str]],
) -> None:
    expected = {"hancock_latency": "pytest_hancock_latency.plugin"}
    assert expected == entry_points["pytest11"]


def test_the_command_line_is_called_hancock_latency(
    entry_points: dict[str, dict[str, str]],
) -> None:
    expected = {"hancock-latency": "pytest_hancock_latency.cli:main"}
    assert expected == entry_points["console_scripts"]


@pytest.mark.parametrize(
    "target",
    [
        target
        for points in (project()["entry-points"]["pytest11"], project()["scripts"])
        for target in points.values()
    ],
)
def test_every_entry_point_leads_somewhere(target: str) -> None:
    module, _, attribute = target.partition(":")
    found = import_module(module)
    assert not attribute or callable(getattr(found, attribute))


def test_the_licence_travels_with_the_wheel(wheel: zipfile.ZipFile, metadata: Message) -> None:
    assert metadata["License-Expression"] == "MIT"
    assert (ROOT / "LICENSE").read_text(encoding="utf-8") == dist_info(wheel, "licenses/LICENSE")


def test_the_plugin_alone_needs_pytest_and_numpy(metadata: Message) -> None:
    needed = metadata.get_all("Requires-Dist", [])
    assert {"pytest>=8.0", "numpy>=1.26"} == {name for name in needed if "extra ==" not in name}


def test_the_lock_is_readable_by_any_pip_anywhere() -> None:
    """Names, versions and markers: no index, no host, no path, no option."""
    pinned = re.compile(r"[a-z0-9._-]+(\[[a-z0-9,-]+\])?==[0-9][^\s/:@]*( ; [^/@]+)?")
    assert [line for line in lock_lines() if not pinned.fullmatch(line)] == []


def test_the_lock_has_a_hash_for_every_requirement() -> None:
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    without = [
        line
        for line, following in zip(lines, [*lines[1:], ""], strict=True)
        if line[0] not in "# " and not following.startswith("    --hash=sha256:")
    ]
    assert without == []


def test_the_lock_pins_whatever_the_project_asks_for() -> None:
    asked = [*project()["dependencies"]]
    for extra in project()["optional-dependencies"].values():
        asked.extend(extra)
    names = {re.split(r"[^\w.-]", requirement)[0] for requirement in asked}
    locked = {line.split("==")[0] for line in lock_lines()}
    assert set() == names - locked - {"pytest-hancock-latency"}


@pytest.mark.skipif(
    os.environ.get("HANCOCK_EXPECT_WHEEL") != "1", reason="only where the wheel is installed"
)
@pytest.mark.parametrize("package", PACKAGES)
def test_the_suite_runs_against_the_installed_wheel(package: str) -> None:
    installed = Path(sysconfig.get_path("purelib")) / package / "__init__.py"
    assert str(installed) == import_module(package).__file__


def test_every_public_name_can_be_imported() -> None:
    import pytest_hancock_latency

    for name in pytest_hancock_latency.__all__:
        assert getattr(pytest_hancock_latency, name).__name__ == name
