"""What measuring uses of the system while a test runs, out of reach of what tests replace.

Tests freeze clocks, mock functions of `os`, give every module another file system, or forbid to
block in an event loop. They replace attributes of modules and classes, also those that others have
imported. A second instance of a module has functions of its own, which nobody looks for, and which
are as fast. `open`, `io` and `pathlib` have no such instance: files are read by `read_file`.

What a file contains is data from a stranger, and nonsense in it is unknown.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from importlib.util import module_from_spec
from types import ModuleType
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    import resource

    own_os, own_resource, own_time = os, resource, time
else:

    def _own(name: str) -> ModuleType:
        module = import_module(name)
        with suppress(AttributeError, ImportError):  # an interpreter whose modules exist only once
            own = module_from_spec(module.__spec__)
            own.__spec__.loader.exec_module(own)
            return own
        return module

    own_os, own_time, own_resource = _own(os.name), _own("time"), None
    with suppress(ImportError):  # on systems where nothing is followed anyway
        own_resource = _own("resource")

_T = TypeVar("_T")
Place = str | os.PathLike[str]
READ_ONLY: Final = own_os.O_RDONLY | getattr(own_os, "O_CLOEXEC", 0)
_PART_BYTES: Final = 1 << 16
UNKNOWN: Final = (OSError, ValueError, LookupError, ArithmeticError)
"""What a file that is missing, or not as the kernel writes it, makes its reader raise."""


def own_unless_gevent(own: _T, present: _T) -> _T:
    """Return the replacement by gevent, which makes the threads then; our own without gevent."""
    module = getattr(present, "__module__", None)
    is_of_gevent = isinstance(module, str) and module.partition(".")[0] == "gevent"
    return present if is_of_gevent else own


def read_file(path: Place) -> bytes:
    """Return the content of a file.

    Raises:
        OSError: it cannot be read.
    """
    file = own_os.open(path, READ_ONLY)
    try:
        parts = []
        while part := own_os.read(file, _PART_BYTES):
            parts.append(part)
    finally:
        own_os.close(file)
    return b"".join(parts)


def lines_of(path: Place) -> Sequence[str]:
    """Return the lines of a file; none if it cannot be read."""
    try:
        return read_file(path).decode("ascii", errors="replace").splitlines()
    except OSError:
        return ()


def numbers_in(folder: Place) -> Sequence[int]:
    """Return the names in a folder that are numbers; none if it cannot be read."""
    try:
        return [int(name) for name in own_os.listdir(folder) if name.isdecimal()]
    except OSError:
        return ()


def exists(path: Place) -> bool:
    """Whether there is a file or a folder, as far as this process may know."""
    try:
        own_os.stat(path)
    except OSError:
        return False
    return True
