"""The headers and signatures of Standard Webhooks v1 (https://www.standardwebhooks.com)."""

from __future__ import annotations

import base64
import hmac
import re
from typing import NamedTuple
from wsgiref.types import WSGIEnvironment

from hancock_app.errors import ApiError

_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")
_ENVIRON_KEYS = tuple("HTTP_" + header.upper().replace("-", "_") for header in _HEADERS)
# Senders use UUIDs and the like; memory and Redis keep ids for ten minutes.
_MAX_ID_LENGTH = 256
# Seconds have ten digits for the next 260 years; int() of thousands of digits is slow.
_MAX_TIMESTAMP_DIGITS = 12
# Two keys in use at the same time give two signatures; the rest is for future versions.
_MAX_SIGNATURES = 16
# `v1,` for HMAC, `v1a,` for Ed25519, then base64 in either alphabet.
_SIGNATURE = re.compile(r"v[0-9]+[a-z]*,[A-Za-z0-9+/_=-]+")


class Delivery(NamedTuple):
    """The contents of the three headers; `sent_at` is in seconds since 1970."""

    id: str
    sent_at: int
    signatures: tuple[str, ...]

    def signature(self, key: bytes, body: bytes) -> bytes:
        """Return the signature of `body` by `key`, in the form of the header."""
        content = f"{self.id}.{self.sent_at}.".encode("utf-8", "surrogatepass") + body
        return b"v1," + base64.b64encode(hmac.digest(key, content, "sha256"))


def parse_delivery(environ: WSGIEnvironment) -> Delivery | None:
    """Parse the headers in `environ`; None if it has none of them.

    Raises:
        ApiError: a header is missing or malformed; status 401.
    """
    values = [environ.get(key, "") for key in _ENVIRON_KEYS]
    if not any(values):
        return None
    for header, value in zip(_HEADERS, values, strict=True):
        if not value:
            raise ApiError(401, f"the {header} header is missing")
    delivery_id, timestamp, signatures = values
    if len(delivery_id) > _MAX_ID_LENGTH:
        raise ApiError(401, f"webhook-id is longer than {_MAX_ID_LENGTH} characters")
    return Delivery(delivery_id, _parse_timestamp(timestamp), _parse_signatures(signatures))


def _parse_timestamp(text: str) -> int:
    is_number = text.isascii() and text.isdecimal() and len(text) <= _MAX_TIMESTAMP_DIGITS
    # A leading zero gives a different string with the same value, which is signed differently.
    if not is_number or str(int(text)) != text:
        raise ApiError(401, "webhook-timestamp is not a whole number of seconds")
    return int(text)


def _parse_signatures(text: str) -> tuple[str, ...]:
    signatures = tuple(text.split(" ", _MAX_SIGNATURES))
    # Senders never repeat a signature or send an empty one; an attacker who alters a request might.
    is_well_formed = all(map(_SIGNATURE.fullmatch, signatures))
    is_unique = len(set(signatures)) == len(signatures)
    if not (is_well_formed and is_unique and len(signatures) <= _MAX_SIGNATURES):
        raise ApiError(401, "webhook-signature is not a list of signatures such as v1,<base64>")
    return signatures
