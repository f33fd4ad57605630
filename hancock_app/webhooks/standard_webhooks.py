"""The wire format of Standard Webhooks (https://www.standardwebhooks.com), version v1."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from typing import NamedTuple

from hancock_app.edge import Environ
from hancock_app.errors import Refusal

_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")
_KEYS = tuple("HTTP_" + header.upper().replace("-", "_") for header in _HEADERS)
_SECRET_PREFIX = "whsec_"
# Seconds have ten digits for the next 260 years.
_LONGEST_TIMESTAMP = 12
# Two keys in use at once give two signatures; the rest is there for versions to come.
_MOST_SIGNATURES = 16
_ONE_SIGNATURE = re.compile(r"v[0-9]+[a-z]*,[A-Za-z0-9+/_=-]+")


class Delivery(NamedTuple):
    """What the three headers say; `sent_at` is in seconds since 1970."""

    id: str
    sent_at: int
    signatures: tuple[str, ...]

    def signature(self, key: bytes, body: bytes) -> bytes:
        """The signature that a sender who has `key` gives for `body`, as the header has it."""
        signed = f"{self.id}.{self.sent_at}.".encode("utf-8", "surrogatepass") + body
        return b"v1," + base64.b64encode(hmac.digest(key, signed, "sha256"))


def key_of(secret: str) -> bytes:
    """The bytes behind `secret`: base64 after `whsec_`, as such secrets are handed out."""
    if not secret.startswith(_SECRET_PREFIX):
        return secret.encode("ascii")
    try:
        return base64.b64decode(secret.removeprefix(_SECRET_PREFIX), validate=True)
    except binascii.Error:
        return secret.encode("ascii")


def delivery_in(environ: Environ) -> Delivery | None:
    """What `environ` carries, None without any of the headers; a 401 `Refusal` if malformed."""
    given = [environ.get(key, "") for key in _KEYS]
    if not any(given):
        return None
    for header, value in zip(_HEADERS, given, strict=True):
        if not value:
            raise Refusal(401, f"the {header} header is missing")
    identity, timestamp, signatures = given
    return Delivery(identity, _seconds(timestamp), _split(signatures))


def _seconds(timestamp: str) -> int:
    # Zeros in front would be another text with the same meaning, and so with another signature.
    plain = timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= _LONGEST_TIMESTAMP
    if not plain or str(int(timestamp)) != timestamp:
        raise Refusal(401, "webhook-timestamp is not a whole number of seconds")
    return int(timestamp)


def _split(signatures: str) -> tuple[str, ...]:
    found = tuple(signatures.split(" ", _MOST_SIGNATURES))
    # No sender says the same twice or leaves gaps; who tries variations of what it saw does.
    is_list = all(_ONE_SIGNATURE.fullmatch(one) for one in found) and len({*found}) == len(found)
    if not is_list or len(found) > _MOST_SIGNATURES:
        raise Refusal(401, "webhook-signature is not a list of signatures such as v1,<base64>")
    return found
