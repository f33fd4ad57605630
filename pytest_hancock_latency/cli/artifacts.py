"""Shared by the commands: sessions of several artifacts, titles in messages, and output."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from ..core.record import Artifact, Record, exit_code_of
from ..core.verdict import ExitCode, Outcome
from ..errors import ArtifactError, read_as
from ..files.artifact import artifacts_in
from ..reporting.columns import COLUMNS, Column, parse_columns
from ..reporting.groups import GroupBy, parse_group_by
from ..reporting.table import with_small_print
from ..reporting.wording import without_commands
from ..reporting.writer import write_whole

_MOST_NAMES: Final = 12


def session_of(paths: Sequence[Path], artifacts: Sequence[Artifact]) -> Mapping[str, Any]:
    """Return the facts that all sessions share, and the rest by file."""
    sessions = [dict(artifact.session) for artifact in artifacts]
    first = sessions[0]
    if len(sessions) == 1:
        return first
    same = {key: first[key] for key in first if all(s.get(key) == first[key] for s in sessions)}
    parts = [
        {"file": name, **{k: v for k, v in session.items() if k not in same}}
        for name, session in zip(_names(paths), sessions, strict=True)
    ]
    started = [s["started_unix_s"] for s in sessions if s.get("started_unix_s") is not None]
    return {**same, **({"started_unix_s": min(started)} if started else {}), "merged_from": parts}


def _names(paths: Sequence[Path]) -> list[str]:
    """Return distinct names of files: shards are often in separate folders."""
    names = [path.name for path in paths]
    if len(set(names)) == len(names):
        return names
    return [f"{path.parent.name}/{path.name}" for path in paths]


def add_artifacts(parser: argparse.ArgumentParser) -> None:
    """Add ``ARTIFACT ...`` to a command."""
    parser.add_argument(
        "artifacts",
        nargs="+",
        type=Path,
        metavar="ARTIFACT",
        help="performance-latency.json files, or folders with one or several artifacts",
    )


def artifact_paths(options: argparse.Namespace) -> list[Path]:
    """Return the files given by `add_artifacts`.

    Raises:
        ArtifactError: a folder contains no artifacts.
    """
    return [file for path in options.artifacts for file in artifacts_in(path)]


def exit_code(records: Sequence[Record], *, strict: bool) -> ExitCode:
    """Return the exit code of a command that judges.

    Args:
        strict: whether inconclusive samples fail.

    Raises:
        ArtifactError: nothing was judged, or nothing was measured.
    """
    if strict:
        records = [replace(record, strict=True) for record in records]
    code = exit_code_of(records)
    if code is ExitCode.USAGE:
        judged = any(record.outcome is not Outcome.NOT_JUDGED for record in records)
        raise ArtifactError("nothing was measured" if judged else "nothing was judged")
    return code


def titles(records: Sequence[Record]) -> str:
    """Return the titles of samples for an error message, only the first of many."""
    names = list(dict.fromkeys(with_small_print(record) for record in records))
    rest = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return (", ".join(names[:_MOST_NAMES]) or "no samples") + rest


def add_output(parser: argparse.ArgumentParser) -> None:
    """Add ``-o FILE`` to a command."""
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="write to FILE instead of standard output"
    )


def add_columns(parser: argparse.ArgumentParser) -> None:
    """Add ``--columns LIST`` to a command."""
    parser.add_argument(
        "--columns",
        metavar="LIST",
        help=f"columns to add to the text output, any of {','.join(COLUMNS)} (calls per second)",
    )


def columns_of(options: argparse.Namespace) -> tuple[Column, ...]:
    """Return the requested columns.

    Raises:
        ArtifactError: one of them is unknown.
    """
    text = options.columns
    return () if text is None else read_as("--columns", ArtifactError, parse_columns, text)


def group_by_of(options: argparse.Namespace) -> GroupBy | None:
    """Return the value of ``--group-by``, if any.

    Raises:
        ArtifactError: it is not param or func.
    """
    text = options.group_by
    return None if text is None else read_as("--group-by", ArtifactError, parse_group_by, text)


def put(text: str, path: Path | None) -> None:
    """Write the text to a file, atomically, or to standard output.

    Raises:
        ArtifactError: it cannot be written.
    """
    if path is None:
        _print(text)
        return
    try:
        write_whole(path, text)
    except OSError as error:
        raise ArtifactError(f"cannot write {path}: {error.strerror}") from None


def _print(text: str) -> None:
    """Write to standard output; a reader that stops early, such as ``head``, is not an error."""
    if sys.stdout is None:
        raise ArtifactError("cannot write to standard output: it is closed")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # for terminals that lack our characters
    try:
        sys.stdout.write(without_commands(text))
        sys.stdout.flush()
    except BrokenPipeError:
        _give_up()
    except OSError as error:
        _give_up()
        raise ArtifactError(f"cannot write to standard output: {error.strerror}") from None


def _give_up() -> None:
    """Discard unflushed output, otherwise Python would report the error again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
