"""Writes text to files: whole or not at all. The only place of this package that touches a disk."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

_ODD_LETTERS: Final = "backslashreplace"
"""Half letters, which names of files may have, have no UTF-8; so written they are right in JSON."""


def check_writable(path: Path) -> None:
    """Make the folder of `path` and prove that a file can be made in it.

    Raises:
        OSError: it cannot.
    """
    if path.is_dir():
        raise IsADirectoryError(21, "is a directory", str(path))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(20, "its folder is a file", str(path)) from None
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}."):
        pass


def write_whole(path: Path, text: str) -> None:
    """Replace the file by `text` in one step: a reader sees the old file or the new one.

    Raises:
        OSError: it could not be written; what stood there before still does.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_text(text, encoding="utf-8", errors=_ODD_LETTERS, newline="\n")
        os.replace(unfinished, path)
    except BaseException:
        with suppress(OSError):
            unfinished.unlink()
        raise


def append(path: Path, text: str) -> int:
    """Add `text` to the end of a file; its size in bytes afterwards.

    Raises:
        OSError: it could not be written.
    """
    with path.open("a", encoding="utf-8", errors=_ODD_LETTERS, newline="\n") as file:
        file.write(text)
        return file.tell()
