"""Writes text to files atomically. The only module of this package that writes to a disk.

Only regular files are replaced or created; for a symlink, its target. Pipes and character devices
(``/dev/null``) are written directly; everything else is refused.
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
"""File names may contain lone surrogates, which UTF-8 lacks; escaped, they are valid in JSON."""
_PATIENCE_S: Final = 5.0
"""How long to wait for a reader of a named pipe. A shell starts both ends much faster."""
_PAUSE_S: Final = 0.05
_MOST_LINKS: Final = 40
"""Maximum number of nested symlinks, as in Linux."""


def _used() -> tuple[object, ...]:
    return (open, os, os.open, os.replace, os.path.realpath, Path, Path.open, Path.unlink)


_USED: Final = _used()


def is_replaced() -> bool:
    """Whether a test has replaced what opens or renames files, so that nothing would be kept."""
    return any(now is not before for now, before in zip(_used(), _USED, strict=True))


def check_writable(path: Path) -> None:
    """Create the folder of `path` and check that a file can be created in it.

    Raises:
        OSError: it cannot be created.
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
    """Whether the path can only be written once: a pipe or a character device."""
    try:
        return _file_to_replace(path) is None
    except OSError:
        return False


def write_whole(path: Path, text: str) -> None:
    """Replace the file atomically: a reader sees either the old or the new content.

    Raises:
        OSError: it could not be written; the old content is still there.
    """
    target = _file_to_replace(path)
    if target is None:
        write_through(path, text)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        unfinished.unlink(missing_ok=True)  # left by a killed process with the same id
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
    """Write directly to a pipe or a device.

    Args:
        now: the clock, in seconds, used to wait for the reader of a pipe.
        sleep: waits for a number of seconds.

    Raises:
        OSError: it could not be written, or the pipe has no reader.
    """
    until = now() + _PATIENCE_S
    # Opening a pipe without a reader would block; in non-blocking mode it fails.
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
    """Append `text` to a file; return its new size in bytes.

    Raises:
        OSError: it could not be written.
    """
    with path.open("a", encoding="utf-8", errors=_ODD_LETTERS, newline="\n") as file:
        file.write(text)
        return file.tell()


def _file_to_replace(path: Path) -> Path | None:
    """Return the regular file to create or replace for `path`; None for a pipe or a device.

    Raises:
        OSError: it can neither be replaced nor written to.
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
        kind = "block device" if stat.S_ISBLK(mode) else "socket"
        raise OSError(errno.EINVAL, f"it is a {kind}", str(path))
    if _is_descriptor(path):
        # The process that opened it would continue to write to the replaced file and lose that.
        why = "it is a descriptor of an open file: use the file's own name"
        raise OSError(errno.EINVAL, why, str(path))
    return Path(os.path.realpath(path))


def _is_descriptor(path: Path) -> bool:
    """Whether a path refers to an open file of a process, such as ``/dev/stdout``."""
    for _ in range(_MOST_LINKS):
        folder = os.path.realpath(path.parent)
        if folder == "/dev/fd" or (folder.startswith("/proc/") and folder.endswith("/fd")):
            return True
        if not path.is_symlink():
            return False
        path = path.parent / os.readlink(path)
    return False
