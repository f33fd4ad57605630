"""Webhook signatures in two schemes, which the headers distinguish.

`X-Hancock-Signature: sha256=<hex>` is the HMAC-SHA256 of the body. It includes no timestamp, so a
captured request stays valid forever.

Standard Webhooks (https://www.standardwebhooks.com) sends `webhook-id`, `webhook-timestamp` and
`webhook-signature`, which covers id, time and body. Old and repeated deliveries are refused.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Sequence
from wsgiref.types import WSGIEnvironment

from hancock_app.errors import ApiError
from hancock_app.webhooks.keys import key_of
from hancock_app.webhooks.replays import Replays
from hancock_app.webhooks.standard_webhooks import Delivery, parse_delivery

SIGNATURE_HEADER = "X-Hancock-Signature"
# Five minutes either way, as the reference libraries of Standard Webhooks allow.
TOLERANCE_S = 300
_ENVIRON_KEY = "HTTP_X_HANCOCK_SIGNATURE"


def sign(secret: str, body: bytes) -> str:
    """Return the value of the `X-Hancock-Signature` header for `body`."""
    return "sha256=" + hmac.digest(secret.encode("ascii"), body, "sha256").hex()


class Signatures:
    """Verify that a webhook was signed with one of `secrets`; without secrets, refuse all.

    Empty secrets are ignored. With `standard_only`, only Standard Webhooks are accepted. `clock` is
    in seconds since 1970.

    Raises:
        ValueError: a secret is not a valid key.
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

    def check(self, environ: WSGIEnvironment, body: bytes) -> str | None:
        """Verify the signature.

        Returns:
            The delivery id for `claim`; None if there is none.

        Raises:
            ApiError: there is no secret (status 403), or the signature is missing or invalid (401).
        """
        if not self._secrets:
            raise ApiError(403, "webhooks are disabled: HANCOCK_WEBHOOK_SECRET is not set")
        delivery = parse_delivery(environ)
        if delivery is not None:
            self._check_standard(delivery, body)
            return delivery.id
        if self._standard_only:
            raise ApiError(401, "the webhook-signature header is missing")
        self._check_hancock(environ, body)
        return None

    def claim(self, delivery_id: str | None) -> None:
        """Accept a verified delivery once.

        Raises:
            ApiError: it was accepted before; status 409.
        """
        # A timestamp may be ahead by the tolerance, and stays valid for the tolerance after that.
        if delivery_id is not None and not self._replays.claim(delivery_id, 2 * TOLERANCE_S):
            raise ApiError(409, "a delivery with this webhook-id was already accepted")

    def _check_hancock(self, environ: WSGIEnvironment, body: bytes) -> None:
        signature = environ.get(_ENVIRON_KEY)
        if signature is None:
            raise ApiError(401, f"the {SIGNATURE_HEADER} header is missing")
        valid_signatures = [sign(secret, body).encode("ascii") for secret in self._secrets]
        # The whole header is compared, so that there is exactly one valid way to write it.
        if not _any_match([signature], valid_signatures):
            raise ApiError(401, f"the {SIGNATURE_HEADER} header does not match the body")

    def _check_standard(self, delivery: Delivery, body: bytes) -> None:
        if abs(self._clock() - delivery.sent_at) > TOLERANCE_S:
            raise ApiError(
                401, f"webhook-timestamp differs by more than {TOLERANCE_S} s from the server time"
            )
        valid_signatures = [delivery.signature(key, body) for key in self._keys]
        if not _any_match(delivery.signatures, valid_signatures):
            raise ApiError(401, "no signature in webhook-signature matches the body")


def _any_match(signatures: Sequence[str], valid_signatures: Sequence[bytes]) -> bool:
    """Whether any signature is valid, compared in constant time."""
    # As bytes: compare_digest raises TypeError for text that is not ASCII.
    encoded = [signature.encode("utf-8", "surrogatepass") for signature in signatures]
    # sum() instead of any(), which would stop at the first match.
    return bool(sum(hmac.compare_digest(a, b) for a in encoded for b in valid_signatures))
