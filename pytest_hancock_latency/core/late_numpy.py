"""numpy, imported when it is first used: that takes longer than the start of many a suite.

Tests replace or clear entries of `sys.modules`, and numpy cannot be imported twice. What is found
here stays the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ["np"]

if TYPE_CHECKING:
    import numpy as np
else:

    class _LateNumpy:
        """Has the attributes of numpy, as its own from the first use on."""

        def __getattr__(self, name: str) -> object:
            if name.startswith("__"):  # asked by those that look at every object, such as mocks
                raise AttributeError(name)
            import numpy

            vars(self).update(vars(numpy))
            return getattr(numpy, name)

    np = _LateNumpy()
