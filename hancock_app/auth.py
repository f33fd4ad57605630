"""API keys."""

from __future__ import annotations

import hmac
from wsgiref.types import WSGIEnvironment

from hancock_app.errors import ApiError


class Auth:
    """Require `key` as a bearer token; an empty key allows every request."""

    def __init__(self, key: str) -> None:
        self._key = key.encode("ascii")

    def check(self, environ: WSGIEnvironment) -> None:
        """Require the key of the service.

        The header is `Authorization: Bearer <key>`; the key is compared in constant time.

        Raises:
            ApiError: the request does not have the key; status 401.
        """
        if not self._key:
            return
        scheme, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        # As bytes: compare_digest raises TypeError for text that is not ASCII.
        token_bytes = token.encode("utf-8", "surrogatepass")
        if scheme.lower() != "bearer" or not hmac.compare_digest(token_bytes, self._key):
            raise ApiError(
                401,
                "missing or invalid API key; send Authorization: Bearer <key>",
                (("WWW-Authenticate", "Bearer"),),
            )
