"""Where the text of a command goes: to a file or to standard output."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..errors import ArtifactError
from ..reporting.writer import write_whole


def add_output(parser: argparse.ArgumentParser) -> None:
    """Add ``-o FILE`` to a command."""
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="write there instead of standard output"
    )


def put(text: str, path: Path | None) -> None:
    """Write the text, whole or not at all where it is a file.

    Raises:
        ArtifactError: the file cannot be written.
    """
    if path is None:
        sys.stdout.write(text)
        return
    try:
        write_whole(path, text)
    except OSError as error:
        raise ArtifactError(f"cannot write {path}: {error.strerror}") from None
