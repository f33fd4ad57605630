"""``hancock-latency merge``: merge several artifacts into one."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import suppress
from hashlib import file_digest
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.record import Artifact
from ..errors import ArtifactError
from ..files.artifact import artifact_source, read_unslowed
from ..reporting.json_artifact import json_text
from ..runs.merging import merge
from .artifacts import add_artifacts, add_output, artifact_paths, put, session_of

if TYPE_CHECKING:
    from .report import Commands

_EXAMPLES = """\
Samples of the same test and name are merged by adding their histograms and judged again; all
others are copied unchanged. Use it for shards of a test suite, for reruns, and for the artifacts of
several load generators.

examples:
  hancock-latency merge shard-1.json shard-2.json -o merged.json
  hancock-latency merge artifacts/*/performance-latency.json -o all.json
"""


def add_command(commands: Commands) -> None:
    """Add ``merge`` to the command line."""
    parser = commands.add_parser(
        "merge",
        help="merge the artifacts of shards, workers or reruns",
        description="Merge the artifacts of shards, workers or reruns.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_artifacts(parser)
    add_output(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    paths = artifact_paths(options)
    _refuse_copies(paths)
    artifacts = [read_unslowed(path) for path in paths]
    _refuse_twins(paths, artifacts)
    records = merge([record for artifact in artifacts for record in artifact.records])
    session = session_of(paths, artifacts)
    put(json_text(records, session), options.output)
    return 0


def _refuse_copies(paths: Sequence[Path]) -> None:
    """Refuse equal files before all of them are read, which takes long for hundreds."""
    files: dict[bytes, Path] = {}
    for path in paths:
        source = artifact_source(path)
        if not source.is_file():  # a pipe can only be read once
            continue
        with suppress(OSError), source.open("rb") as file:  # it is reported when it is read
            copy = files.setdefault(file_digest(file, "sha256").digest(), path)
            if copy is not path:
                _refuse_twins((copy, path), [read_unslowed(copy)] * 2)


def _refuse_twins(paths: Sequence[Path], artifacts: Sequence[Artifact]) -> None:
    """Refuse an artifact given twice, or a copy of it, which would count twice."""
    for (path, artifact), (twin, copy) in combinations(zip(paths, artifacts, strict=True), 2):
        if artifact.records and artifact == copy:
            raise ArtifactError(
                f"{path} and {twin} have the same content, which would be counted twice"
            )
