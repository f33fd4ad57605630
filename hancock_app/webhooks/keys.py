"""Keys from webhook secrets. Imported with the settings, so it imports little itself."""

from __future__ import annotations

import base64
import binascii

# The prefix that Standard Webhooks uses for base64 secrets.
_PREFIX = "whsec_"
# 128 bits: nobody guesses a random key of this length. Standard Webhooks generates 192 and more.
MIN_KEY_BYTES = 16


def key_of(secret: str) -> bytes:
    """Return the key for `secret`: base64 after the prefix `whsec_`, otherwise the secret itself.

    Raises:
        ValueError: it is not ASCII, not base64 after the prefix, or shorter than `MIN_KEY_BYTES`;
            the message does not repeat the secret.

    >>> key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").hex()
    '31f290f6bf06298aab4f08d43c3f082cf648a362da2da4b0'
    """
    if not secret.startswith(_PREFIX):
        key = secret.encode("ascii")
    else:
        try:
            key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
        except binascii.Error:
            raise ValueError(f"expected base64 after {_PREFIX}") from None
    if len(key) < MIN_KEY_BYTES:
        raise ValueError(f"expected a key of at least {MIN_KEY_BYTES} bytes, got {len(key)}")
    return key
