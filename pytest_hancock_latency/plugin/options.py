"""Options, ini values and environment variables: one table, one order of precedence.

    marker  >  command line  >  environment  >  ini  >  default

Only what the start of pytest needs is in this module; values are read by `settings`.
"""

from __future__ import annotations

import os
from typing import Any, Final, NamedTuple

import pytest

ENVIRONMENT: Final = "HANCOCK_LATENCY_"
GUIDE_ARTIFACT: Final = "HANCOCK_PERF_ARTIFACT"


class Option(NamedTuple):
    """One setting and how it is said on the command line, in the ini file and the environment."""

    name: str
    metavar: str
    help: str
    flag: bool = False

    @property
    def switch(self) -> str:
        """Its spelling on the command line."""
        return "--latency" if self.name == "mode" else f"--latency-{self.name.replace('_', '-')}"

    @property
    def ini(self) -> str:
        """Its spelling in the ini file, and the name of its value among pytest's options."""
        return f"latency_{self.name}"

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return f"{ENVIRONMENT}{self.name.upper()}"


OPTIONS: Final = (
    Option(
        "mode", "MODE", "gate: measure, judge, fail (default); report: never fail; off: run once"
    ),
    Option("artifacts", "DIR", "write every artifact into this folder"),
    Option("json", "FILE", "write performance-latency.json here instead"),
    Option("text", "FILE", "write benchmark-summary.txt here instead"),
    Option("markdown", "FILE", "write benchmark-summary.md here instead"),
    Option("html", "FILE", "write latency-report.html here instead"),
    Option(
        "baseline",
        "FILE",
        "earlier JSON artifact to compare with: in the HTML report, and for regression=",
    ),
    Option(
        "budgets", "FILE", "TOML file of named budgets (default: pyproject.toml of the rootdir)"
    ),
    Option("strict", "", "an inconclusive budget fails its test", flag=True),
    Option("warmup", "N", "calls before measuring (default: 5)"),
    Option("samples", "N", "least number of observations for a pass (default: 50)"),
    Option("max_samples", "N", "greatest number of observations (default: 20000)"),
    Option("time_limit", "DURATION", "longest measuring of one sample (default: 5s)"),
    Option("attribution", "on|off", "whether to read what the machine took of each observation"),
    Option(
        "profile",
        "NAME",
        "hardware profile to compare the machine with, such as ci; require:NAME refuses another",
    ),
    Option("junit", "on|off", "whether to write latency properties into JUnit XML (default: on)"),
    Option("github", "on|off", "job summary and annotations on GitHub Actions (default: on)"),
)


def add_options(parser: pytest.Parser) -> None:
    """Register all options and ini values."""
    group = parser.getgroup("latency", "latency budgets")
    for option in OPTIONS:
        keywords: dict[str, Any] = {"dest": option.ini, "default": None, "help": option.help}
        if option.flag:
            group.addoption(option.switch, action="store_true", **keywords)
        else:
            group.addoption(option.switch, metavar=option.metavar, **keywords)
        parser.addini(option.ini, option.help, default=None)


def anything_set(config: pytest.Config) -> bool:
    """Whether anybody says anything about latency; cheap, for sessions where nobody does."""
    if any(getattr(config.option, option.ini, None) is not None for option in OPTIONS):
        return True
    if any(config.getini(option.ini) for option in OPTIONS):
        return True
    return GUIDE_ARTIFACT in os.environ or any(key.startswith(ENVIRONMENT) for key in os.environ)
