"""Where answers come from."""

from __future__ import annotations

from hancock_app.backends.protocol import Backend

__all__ = ["Backend"]
