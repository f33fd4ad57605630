"""Where answers come from."""

from __future__ import annotations

from hancock_app.backends.protocol import (
    Backend,
    BackendAway,
    BackendFailure,
    BackendTooSlow,
    Checkable,
    Streaming,
)

__all__ = ["Backend", "BackendAway", "BackendFailure", "BackendTooSlow", "Checkable", "Streaming"]
