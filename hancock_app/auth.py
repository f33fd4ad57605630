"""Bearer keys."""

from __future__ import annotations

import hmac

from hancock_app.edge import Environ
from hancock_app.errors import Refusal


class Auth:
    """Lets a request pass that presents `key`; with an empty key, every request."""

    def __init__(self, key: str) -> None:
        self._key = key.encode("ascii")

    def check(self, environ: Environ) -> None:
        """Raise a 401 `Refusal` unless the request carries `Authorization: Bearer <key>`."""
        if not self._key:
            return
        scheme, _, presented = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        # compare_digest refuses text outside ASCII, so bytes are compared, whatever was sent.
        offered = presented.encode("utf-8", "surrogatepass")
        if scheme.lower() != "bearer" or not hmac.compare_digest(offered, self._key):
            raise Refusal(
                401,
                "a valid API key is needed, as Authorization: Bearer <key>",
                (("WWW-Authenticate", "Bearer"),),
            )
