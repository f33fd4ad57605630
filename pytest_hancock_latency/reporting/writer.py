"""Writes text to files: whole or not at all. The only place of this package that touches a disk.

Only regular files and new names are replaced, and where a name is a symlink, what it points to. A
pipe or a character device (``/dev/null``) is written through; all else is refused.
"""

from __future__ import annotations

import errno
import os
import stat
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

_ODD_LETTERS: Final = "backslashreplace"
"""Half letters, which names of files may have, have no UTF-8; so written they are right in JSON."""
_PATIENCE_S: Final = 5.0
"""How long a named pipe may have no reader. A shell that starts both ends is done in far less."""
_PAUSE_S: Final = 0.05
_MOST_LINKS: Final = 40
"""Symlinks in a row that Linux follows."""


def check_writable(path: Path) -> None:
    """Make the folder of `path` and prove that a file can be made in it.

    Raises:
        OSError: it cannot.
    """
    target = _file_to_replace(path)
    if target is None:
        if not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(errno.ENOTDIR, "its parent folder is a file", str(path)) from None
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}."):
        pass


def is_written_once(path: Path) -> bool:
    """Whether what is written there cannot be replaced later: a pipe or a character device."""
    try:
        return _file_to_replace(path) is None
    except OSError:
        return False


def write_whole(path: Path, text: str) -> None:
    """Replace the file by `text` in one step: a reader sees the old file or the new one.

    Raises:
        OSError: it could not be written; what stood there before still does.
    """
    target = _file_to_replace(path)
    if target is None:
        write_through(path, text)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        unfinished.unlink(missing_ok=True)  # of a process with the same number that was killed
        with unfinished.open("x", encoding="utf-8", errors=_ODD_LETTERS, newline="\n") as file:
            file.write(text)
        os.replace(unfinished, target)
    except BaseException:
        with suppress(OSError):
            unfinished.unlink()
        raise


def write_through(
    path: Path,
    text: str,
    *,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Write to a pipe or a device as it is.

    now, sleep: the clock by which a pipe without a reader is waited for.

    Raises:
        OSError: it could not be written, or nobody reads from the pipe.
    """
    until = now() + _PATIENCE_S
    # Opening a pipe that has no reader would block; without blocking, it fails.
    while True:
        try:
            descriptor = os.open(path, os.O_WRONLY | getattr(os, "O_NONBLOCK", 0))
            break
        except OSError as error:
            if error.errno != errno.ENXIO or not path.is_fifo():
                raise
            if now() >= until:
                why = "no process reads from this named pipe"
                raise OSError(errno.ENXIO, why, str(path)) from None
            sleep(_PAUSE_S)
    os.set_blocking(descriptor, True)
    with open(descriptor, "w", encoding="utf-8", errors=_ODD_LETTERS, newline="\n") as file:
        file.write(text)


def append(path: Path, text: str) -> int:
    """Add `text` to the end of a file; its size in bytes afterwards.

    Raises:
        OSError: it could not be written.
    """
    with path.open("a", encoding="utf-8", errors=_ODD_LETTERS, newline="\n") as file:
        file.write(text)
        return file.tell()


def _file_to_replace(path: Path) -> Path | None:
    """The regular file that `path` means, there or not yet; None for a pipe or a device.

    Raises:
        OSError: it is something that can be neither replaced nor written to.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return Path(os.path.realpath(path))
    if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):
        return None
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        what = "block device" if stat.S_ISBLK(mode) else "socket"
        raise OSError(errno.EINVAL, f"it is a {what}", str(path))
    if _is_descriptor(path):
        # Whoever opened it would go on writing to the file that is replaced, and lose all of that.
        why = "it is a descriptor of an open file: use the file's own name"
        raise OSError(errno.EINVAL, why, str(path))
    return Path(os.path.realpath(path))


def _is_descriptor(path: Path) -> bool:
    """Whether a name means an open file of some process, as ``/dev/stdout`` does."""
    for _ in range(_MOST_LINKS):
        folder = os.path.realpath(path.parent)
        if folder == "/dev/fd" or (folder.startswith("/proc/") and folder.endswith("/fd")):
            return True
        if not path.is_symlink():
            return False
        path = path.parent / os.readlink(path)
    return False
