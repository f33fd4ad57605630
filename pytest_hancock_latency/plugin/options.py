"""Options, ini values and environment variables for pytest; `settings` reads their values.

    marker  >  command line  >  environment  >  ini  >  default

Every pytest session loads this module, so it contains only what pytest needs at startup.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

import pytest

from ..files.options import ENVIRONMENT, GUIDE_ARTIFACT, SHARED, Option

OPTIONS: Final = (
    Option(
        "mode",
        "MODE",
        "gate: measure, judge and fail (default); report: measure, never fail; off: run once",
    ),
    *SHARED,
    Option(
        "baseline",
        "FILE",
        "earlier JSON artifact to compare with, in the HTML report and for regression=",
    ),
    Option(
        "default",
        "LIMITS",
        "budget for tests that have none, such as p95=200ms; each is called once",
    ),
    Option("repeat", "", "call tests with the default budget again and again, until it is decided"),
    Option(
        "warmup",
        "N|DURATION|auto",
        "warm-up: number of calls, a time such as 2s, or auto: until steady (default: 5)",
    ),
    Option("samples", "N", "minimum number of observations for a pass (default: 50)"),
    Option("max_samples", "N", "maximum number of observations (default: 20000)"),
    Option(
        "time_limit",
        "DURATION|auto",
        "maximum time to measure one sample (default: auto, as its limits need, 5 to 60 s)",
    ),
    Option(
        "time",
        "DURATION",
        "time shared by all samples of a process, in addition to 5 s each (default: 5min)",
    ),
    Option(
        "exclusive",
        "auto|on|off",
        "let gates run alone under pytest-xdist, while the other workers wait (default: auto, if "
        "there are several on this machine)",
    ),
    Option(
        "again",
        "on|off",
        "measure gates again at the end of the session if the machine kept them from a verdict "
        "(default: on)",
    ),
    Option(
        "slowdown",
        "SHARE",
        "slow all calls down by so much, such as 30%%, and fail the tests whose gates do not "
        "notice; nothing is kept of such a run",
    ),
    Option("attribution", "on|off", "whether to excuse time that the machine took (default: on)"),
    Option(
        "profile",
        "NAME",
        "hardware profile to compare the machine with, such as ci; require:NAME refuses any other",
    ),
    Option(
        "columns",
        "LIST",
        "columns to add to the table: any of min,max,mean,stddev,ops (calls per second)",
    ),
    Option(
        "group_by",
        "param|func",
        "compare samples with the same parameters, or of the same function, with the fastest",
    ),
    Option("junit", "on|off", "latency properties in JUnit XML (default: on)"),
    Option("github", "on|off", "job summary and annotations on GitHub Actions (default: on)"),
)


def project_file(config: pytest.Config) -> Path:
    """Return the pyproject.toml of the project, whether or not it exists.

    A pytest.ini in a folder of tests, ``-c`` and ``--rootdir`` move the root folder of a session
    away from it. So it is the nearest one at or above that folder or, if there is none, at or above
    the folder in which pytest was started. What is above a repository is not part of it.
    """
    for start in (config.rootpath, config.invocation_params.dir):
        for folder in (start, *start.parents):
            file = folder / "pyproject.toml"
            if file.is_file():
                return file
            if (folder / ".git").exists():
                break
    return config.rootpath / "pyproject.toml"


def is_worker(config: pytest.Config) -> bool:
    """Whether this process is a worker of pytest-xdist."""
    return hasattr(config, "workerinput")


def may_name_tests(file: Path) -> bool:
    """Whether a pyproject.toml may assign budgets to tests; reading it takes 30 µs."""
    try:
        content = file.read_bytes()
    except OSError:
        return False
    mentions_plugin = b"hancock-latency" in content
    return mentions_plugin and re.search(rb"\b(tests|extends)\s*=", content) is not None


def add_options(parser: pytest.Parser) -> None:
    """Register all options and ini values."""
    group = parser.getgroup("latency", "latency budgets")
    for option in OPTIONS:
        group.addoption(option.switch, **option.keywords)
        parser.addini(option.key, option.help, default=None)
    _add_duel(group)


def _add_duel(group: pytest.OptionGroup) -> None:
    """Only for the command line: an ini value would make each side of a duel begin one."""
    group.addoption(
        "--latency-duel",
        metavar="BASE",
        default=None,
        help="run the tests on BASE (commit, branch, tag, folder, package==1.4) and on the working "
        "folder in turns, and say which samples became slower (see hancock-latency duel --help)",
    )


def ini_text(config: pytest.Config, key: str) -> str | None:
    """Return an ini value as it would be written in an ini file; None if it is not set.

    In the table ``[tool.pytest]`` of pytest 9, values have types, and pytest refuses all but the
    one that was registered. Ours may be numbers, switches and lists, or texts as before.
    """
    try:
        value = config.getini(key)
    except (TypeError, pytest.UsageError):
        value = _of_toml(config.inipath, key)
    return None if value in (None, "") else _as_text(value)


def _of_toml(file: Path | None, key: str) -> object:
    if file is None:
        return None
    import tomllib

    content = tomllib.loads(file.read_text(encoding="utf-8"))
    return content.get("tool", content).get("pytest", {}).get(key)


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return ",".join(map(_as_text, value)) if isinstance(value, list) else str(value)


def is_whole_run(config: pytest.Config) -> bool:
    """Whether all tests of the project were asked for, and none left out."""
    narrowing = ("keyword", "markexpr", "deselect", "ignore", "ignore_glob", "lf", "stepwise")
    if any(getattr(config.option, name, None) for name in narrowing):
        return False
    if config.args_source is pytest.Config.ArgsSource.TESTPATHS:
        return True
    folders = [(config.invocation_params.dir / argument).resolve() for argument in config.args]
    testpaths = config.getini("testpaths")
    whole = [config.rootpath / path for path in testpaths] or [config.rootpath]
    return all(any(path.resolve().is_relative_to(folder) for folder in folders) for path in whole)


def anything_set(config: pytest.Config) -> bool:
    """Whether any setting of this plugin is set; must be fast, because most sessions have none."""
    keys = [option.key for option in OPTIONS]
    if any(getattr(config.option, key, None) is not None for key in keys):
        return True
    if any(ini_text(config, key) for key in keys):
        return True
    return GUIDE_ARTIFACT in os.environ or any(key.startswith(ENVIRONMENT) for key in os.environ)
