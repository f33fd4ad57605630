"""What a suite without any budget pays for having the plugin installed, beside other plugins.

    python benchmarks/tax.py [--check] [--json FILE] [--tests N]

Counts instructions with callgrind, which are the same in every run whatever else the machine does:
of an empty session (the start of pytest), and of a suite of trivial tests (the tax on each test).
What a test costs also depends on where objects lie in memory, since the interpreter caches lookups
by their addresses: a plugin that only imports a module, without a hook, changes it by up to 0.3 %.
So the suite runs in several layouts of memory, and the median counts.
Each plugin is autoloaded, as in an environment in which it is the only one installed: a folder with
links to pytest, to the plugin and to what it needs. Needs valgrind. Wall-clock time is shown beside
it for the plain start, as a minimum over several runs; it is not judged.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from importlib.metadata import distribution
from pathlib import Path
from statistics import median

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
START_GOAL = 1.02
TEST_GOAL = 1.003
PLUGINS = {
    "none": (),
    "pytest-hancock-latency": ("pytest-hancock-latency",),
    "pytest-benchmark": ("pytest-benchmark",),
    "pytest-codspeed": ("pytest-codspeed",),
    "pytest-timeout": ("pytest-timeout",),
    "pytest-fail-slow": ("pytest-fail-slow",),
    "pytest-xdist": ("pytest-xdist",),
}
LAYOUTS = (0, 700, 1500, 3100, 5300)
"""Small objects that are made before pytest is imported, and shift all others."""
_COLLECTED = re.compile(r"Collected : (\d+)")
_TIMED_RUNS = 5


@dataclass(frozen=True, slots=True)
class Tax:
    """Instructions and seconds of one plugin."""

    plugin: str
    start: int
    """Instructions of a session that collects one trivial test."""
    each: float
    """Instructions of each further test."""
    start_s: float


def main() -> int:
    """Count, print, judge; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="exit 1 where a goal is missed")
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    parser.add_argument("--plugin", action="append", help="only these, beside none and ours")
    parser.add_argument("--tests", type=int, default=300, help="tests of the larger suite")
    asked = parser.parse_args()
    if shutil.which("valgrind") is None:
        print("valgrind is missing: apt-get install valgrind", file=sys.stderr)
        return 2
    names = list(PLUGINS)[:2] + (list(PLUGINS)[2:] if asked.plugin is None else asked.plugin)
    taxes = [_tax(name, PLUGINS[name], asked.tests) for name in names if name in PLUGINS]
    _show(taxes)
    if asked.json:
        asked.json.write_text(json.dumps([asdict(tax) for tax in taxes], indent=1) + "\n")
    plain, ours = taxes[0], taxes[1]
    start, each = ours.start / plain.start, ours.each / plain.each
    kept = start <= START_GOAL and each <= TEST_GOAL
    print(
        f"tax: start {start - 1:+.2%} (goal {START_GOAL - 1:+.1%}), "
        f"each test {each - 1:+.2%} (goal {TEST_GOAL - 1:+.1%}): {'kept' if kept else 'MISSED'}"
    )
    return 1 if asked.check and not kept else 0


def _tax(name: str, plugins: tuple[str, ...], tests: int) -> Tax:
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder, "site")
        site.mkdir()
        for part in _with_needs(("pytest", *plugins)):
            _link(part, site)
        one, many = Path(folder, "one"), Path(folder, "many")
        _suite(one, 1)
        _suite(many, tests + 1)
        _seconds(one, site)  # the first run may have byte code to read that is not cached yet
        starts = {layout: _instructions(one, site, layout) for layout in LAYOUTS}
        each = median(
            (_instructions(many, site, layout) - start) / tests for layout, start in starts.items()
        )
        return Tax(name, starts[0], each, min(_seconds(one, site) for _ in range(_TIMED_RUNS)))


def _with_needs(names: Iterable[str]) -> set[str]:
    """Distributions and all that they need here, extras apart."""
    needed: set[str] = set()
    left = [canonicalize_name(name) for name in names]
    while left:
        name = left.pop()
        if name in needed:
            continue
        needed.add(name)
        needs = map(Requirement, distribution(name).requires or ())
        left += [
            canonicalize_name(need.name)
            for need in needs
            if need.marker is None or need.marker.evaluate({"extra": ""})
        ]
    return needed


def _link(name: str, site: Path) -> None:
    """Link everything of an installed distribution into a folder for the import path."""
    found = distribution(name)
    files = found.files or []
    tops = {file.parts[0] for file in files if ".." not in file.parts}
    for top in tops - {"__pycache__"}:
        if not top.endswith(".pth"):
            _link_once(Path(str(found.locate_file(top))), site)
    if name == "pytest-hancock-latency":  # installed as a link to its source already
        # Installed plugins are compiled; a source that was edited just now would be compiled anew.
        compileall.compile_dir(ROOT / "pytest_hancock_latency", quiet=1)
        _link_once(ROOT / "pytest_hancock_latency", site)


def _link_once(path: Path, site: Path) -> None:
    if not (site / path.name).exists():
        (site / path.name).symlink_to(path)


def _suite(folder: Path, tests: int) -> None:
    folder.mkdir()
    functions = "\n".join(f"def test_{number}():\n    pass\n" for number in range(tests))
    (folder / "test_trivial.py").write_text(functions)
    (folder / "pytest.ini").write_text("[pytest]\n")


def _command(layout: int = 0) -> list[str]:
    # Byte code and caches would make the second run cheaper than the first.
    arguments = ["pytest", "-q", "-p", "no:cacheprovider", "--assert=plain"]
    code = (
        f"padding = [bytearray(size % 97) for size in range({layout})]; import sys; "
        f"sys.argv = {arguments}; import pytest; sys.exit(pytest.main())"
    )
    return [sys.executable, "-S", "-B", "-c", code]


def _environment(site: Path) -> dict[str, str]:
    """Everything that would change the count from run to run is fixed."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {**kept, "PYTHONHASHSEED": "0", "PYTHONPATH": str(site), "COLUMNS": "80"}


def _instructions(folder: Path, site: Path, layout: int) -> int:
    callgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    command = [*callgrind, *_command(layout)]
    run = subprocess.run(
        command, cwd=folder, env=_environment(site), capture_output=True, text=True, check=False
    )
    found = _COLLECTED.findall(run.stderr)  # a plugin may fork: the session itself counts most
    if run.returncode != 0 or not found:
        raise SystemExit(f"{' '.join(command)} failed:\n{run.stdout}\n{run.stderr}")
    return max(map(int, found))


def _seconds(folder: Path, site: Path) -> float:
    begin = time.perf_counter()
    subprocess.run(
        _command(), cwd=folder, env=_environment(site), stdout=subprocess.DEVNULL, check=True
    )
    return time.perf_counter() - begin


def _show(taxes: list[Tax]) -> None:
    plain = taxes[0]
    print(f"{'plugin':<24}{'start (Minstr)':>16}{'':>9}{'each test':>12}{'':>9}{'start (s)':>11}")
    for tax in taxes:
        print(
            f"{tax.plugin:<24}{tax.start / 1e6:>16.1f}{tax.start / plain.start - 1:>+9.2%}"
            f"{tax.each:>12.0f}{tax.each / plain.each - 1:>+9.2%}{tax.start_s:>11.3f}"
        )


if __name__ == "__main__":
    sys.exit(main())
