"""``hancock-latency merge``: one artifact of several."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..artifact_file import read_artifact
from ..core.merging import merge
from ..reporting.json_artifact import Artifact, artifact_of, artifact_text
from .streams import add_output, put

if TYPE_CHECKING:
    from .report import Commands

_EXAMPLES = """\
Samples of the same test and name are put together by adding their histograms, and judged anew; all
others are taken over as they are. Use it for shards of a test suite, for reruns, and for the
artifacts of several load generators.

examples:
  hancock-latency merge shard-1.json shard-2.json -o merged.json
  hancock-latency merge artifacts/*/performance-latency.json -o all.json
"""


def add_command(commands: Commands) -> None:
    """Add ``merge`` to the command line."""
    parser = commands.add_parser(
        "merge",
        help="put the artifacts of shards, workers or reruns together",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("artifacts", nargs="+", type=Path, metavar="ARTIFACT")
    add_output(parser)
    parser.set_defaults(run=_run)


def _run(asked: argparse.Namespace) -> int:
    artifacts = [read_artifact(path) for path in asked.artifacts]
    records = merge([record for artifact in artifacts for record in artifact.records])
    session = _session(asked.artifacts, artifacts)
    put(artifact_text(artifact_of(records, session)), asked.output)
    return 0


def _session(paths: Sequence[Path], artifacts: Sequence[Artifact]) -> dict[str, Any]:
    """What is the same everywhere, and of the rest who said what."""
    sessions = [dict(artifact.session) for artifact in artifacts]
    first = sessions[0]
    same = {key: first[key] for key in first if all(s.get(key) == first[key] for s in sessions)}
    parts = [
        {"file": path.name, **{k: v for k, v in session.items() if k not in same}}
        for path, session in zip(paths, sessions, strict=True)
    ]
    started = [s["started_unix_s"] for s in sessions if s.get("started_unix_s") is not None]
    return {**same, **({"started_unix_s": min(started)} if started else {}), "merged_from": parts}
