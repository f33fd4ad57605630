"""``hancock-latency report``: show artifacts, and say by the exit code what they say."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..artifact_file import read_artifact
from ..core.record import Record
from ..reporting.markdown import summary_markdown
from ..reporting.table import summary_text

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

_FORMATS: Final = {"text": summary_text, "markdown": summary_markdown}
_EXCEEDED: Final = 1
_NOTHING: Final = 2
_INCONCLUSIVE: Final = 3


def add_command(commands: Commands) -> None:
    """Add ``report`` to the command line."""
    parser = commands.add_parser("report", help="show artifacts as a table with their evidence")
    parser.add_argument("artifacts", nargs="+", type=Path, metavar="ARTIFACT")
    parser.add_argument("--format", choices=tuple(_FORMATS), default="text")
    parser.add_argument("--strict", action="store_true", help="exit with 3 if any is inconclusive")
    parser.set_defaults(run=_run)


def _run(asked: argparse.Namespace) -> int:
    records = [record for path in asked.artifacts for record in read_artifact(path).records]
    print(_FORMATS[asked.format](records), end="")
    return _exit_code(records, strict=asked.strict)


def _exit_code(records: Sequence[Record], *, strict: bool) -> int:
    outcomes = {record.outcome for record in records}
    if "exceeded" in outcomes:
        return _EXCEEDED
    if not outcomes & {"within", "inconclusive"}:
        return _NOTHING  # nothing was judged: never a pass
    return _INCONCLUSIVE if strict and "inconclusive" in outcomes else 0
