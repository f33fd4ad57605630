"""Who sent a webhook, by either of two schemes; which one, the headers tell.

The guide's own: `X-Hancock-Signature: sha256=<hex>`, HMAC-SHA256 over the body exactly as it came.
It says nothing about when, so that a captured request stays good for ever.

Standard Webhooks (https://www.standardwebhooks.com): `webhook-id`, `webhook-timestamp` and
`webhook-signature`, over id, time and body. It is refused when it is old, and when it comes twice.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Sequence

from hancock_app.edge import Environ
from hancock_app.errors import Refusal
from hancock_app.webhooks.replays import Replays
from hancock_app.webhooks.standard_webhooks import Delivery, delivery_in, key_of

SIGNATURE_HEADER = "X-Hancock-Signature"
TOLERANCE_S = 300
_ENVIRON_KEY = "HTTP_X_HANCOCK_SIGNATURE"


def sign(secret: str, body: bytes) -> str:
    """The `X-Hancock-Signature` that a sender of `body` has to present."""
    return "sha256=" + hmac.digest(secret.encode("ascii"), body, "sha256").hex()


class Signatures:
    """Lets only bodies pass that were signed with one of `secrets`; without any, none.

    With `standard_only`, the guide's scheme is refused. `clock` gives seconds since 1970.
    """

    def __init__(
        self,
        secrets: Sequence[str],
        replays: Replays,
        *,
        standard_only: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._secrets = tuple(secret for secret in secrets if secret)
        self._keys = tuple(key_of(secret) for secret in self._secrets)
        self._replays = replays
        self._standard_only = standard_only
        self._clock = clock

    def check(self, environ: Environ, body: bytes) -> str | None:
        """Return what to `claim` for this body, None where nothing tells it from a repetition.

        Raises a `Refusal`: 403 when there is no secret, 401 for all that is wrong with a
        signature.
        """
        if not self._secrets:
            raise Refusal(403, "webhooks are switched off: HANCOCK_WEBHOOK_SECRET is not set")
        delivery = delivery_in(environ)
        if delivery is not None:
            self._check_standard(delivery, body)
            return delivery.id
        if self._standard_only:
            raise Refusal(401, "the webhook-signature header is missing")
        self._check_guide(environ, body)
        return None

    def claim(self, delivery_id: str | None) -> None:
        """Accept a checked delivery, once; raises a 409 `Refusal` where it was accepted before."""
        # It may be stamped up to the tolerance ahead of us, and is good that long afterwards.
        if delivery_id is not None and not self._replays.claim(delivery_id, 2 * TOLERANCE_S):
            raise Refusal(409, "a webhook with this webhook-id was accepted before")

    def _check_guide(self, environ: Environ, body: bytes) -> None:
        presented = environ.get(_ENVIRON_KEY)
        if presented is None:
            raise Refusal(401, f"the {SIGNATURE_HEADER} header is missing")
        expected = [sign(secret, body).encode("ascii") for secret in self._secrets]
        # The whole header is compared: there is one right way to write it.
        if not _any_equal([_as_bytes(presented)], expected):
            raise Refusal(401, f"the {SIGNATURE_HEADER} header does not match the body")

    def _check_standard(self, delivery: Delivery, body: bytes) -> None:
        if abs(self._clock() - delivery.sent_at) > TOLERANCE_S:
            raise Refusal(401, f"webhook-timestamp is more than {TOLERANCE_S} s from the time here")
        expected = [delivery.signature(key, body) for key in self._keys]
        if not _any_equal([_as_bytes(one) for one in delivery.signatures], expected):
            raise Refusal(401, "no signature in webhook-signature matches the body")


def _as_bytes(presented: str) -> bytes:
    # compare_digest refuses text outside ASCII, so bytes are compared, whatever was sent.
    return presented.encode("utf-8", "surrogatepass")


def _any_equal(presented: Sequence[bytes], expected: Sequence[bytes]) -> bool:
    """Whether any two are equal; takes as long when the first pair is as when none is."""
    return bool(sum(hmac.compare_digest(one, good) for one in presented for good in expected))
