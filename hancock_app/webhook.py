"""Who sent a webhook: an HMAC-SHA256 over the body exactly as it arrived."""

from __future__ import annotations

import hmac

from hancock_app.errors import Refusal
from hancock_app.wsgi import Environ

SIGNATURE_HEADER = "X-Hancock-Signature"
_ENVIRON_KEY = "HTTP_X_HANCOCK_SIGNATURE"


def sign(secret: str, body: bytes) -> str:
    """The header value that a sender of `body` has to present."""
    return "sha256=" + hmac.digest(secret.encode("ascii"), body, "sha256").hex()


class Signatures:
    """Lets only bodies pass that were signed with `secret`; with an empty one, none."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def check(self, environ: Environ, body: bytes) -> None:
        """Raise a `Refusal`: 403 when no secret is set, 401 for a missing or wrong signature."""
        if not self._secret:
            raise Refusal(403, "webhooks are switched off: HANCOCK_WEBHOOK_SECRET is not set")
        presented = environ.get(_ENVIRON_KEY)
        if presented is None:
            raise Refusal(401, f"the {SIGNATURE_HEADER} header is missing")
        # The whole header is compared, in constant time: there is one right way to write it.
        expected = sign(self._secret, body).encode("ascii")
        if not hmac.compare_digest(presented.encode("utf-8", "surrogatepass"), expected):
            raise Refusal(401, f"the {SIGNATURE_HEADER} header does not match the body")
