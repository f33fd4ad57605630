"""Where the text of a command goes: to a file or to standard output."""

from __future__ import annotations

import argparse
import io
import os
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
    """Write to standard output; a reader that has seen enough, such as ``head``, is no error."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without our letters shows the rest
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        _give_up()
    except OSError as error:
        _give_up()
        raise ArtifactError(f"cannot write to standard output: {error.strerror}") from None


def _give_up() -> None:
    """Let what is still to be flushed go nowhere, or Python would complain once more at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
