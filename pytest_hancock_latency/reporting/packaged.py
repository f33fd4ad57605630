"""Files that are part of this package, as much as its modules are."""

from __future__ import annotations

import pkgutil


def packaged(name: str) -> str:
    """The text of a file of the package ``reporting``, by its path from there."""
    content = pkgutil.get_data(__package__, name)
    assert content is not None, f"{name} is not part of the package"
    return content.decode("utf-8")
