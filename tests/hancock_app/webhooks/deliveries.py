"""Webhook deliveries for tests, valid and modified."""

from __future__ import annotations

import base64
import time
from typing import Any

import pytest

from hancock_app.errors import ApiError
from hancock_app.webhooks.keys import key_of
from hancock_app.webhooks.replays import MemoryReplays
from hancock_app.webhooks.signatures import Signatures
from hancock_app.webhooks.standard_webhooks import Delivery

BODY = b'{"event":"alert"}'


SECRET = "whsec_" + base64.b64encode(b"a key of 24 random bytes").decode()


NOW = 1_700_000_000


def headers(**changed: str) -> dict[str, str]:
    """Return the environ of a valid delivery, sent at `NOW`, with some headers changed."""
    identity, sent = changed.get("id", "msg_1"), changed.get("sent", str(NOW))
    key = key_of(changed.get("secret", SECRET))
    signature = Delivery(identity, int(sent), ()).signature(key, BODY).decode()
    signed = {
        "HTTP_WEBHOOK_ID": identity,
        "HTTP_WEBHOOK_TIMESTAMP": sent,
        "HTTP_WEBHOOK_SIGNATURE": signature,
    }
    return signed | {name: value for name, value in changed.items() if name.startswith("HTTP_")}


def signatures(now: float = NOW, *secrets: str, standard_only: bool = False) -> Signatures:
    return Signatures(
        secrets or (SECRET,),
        MemoryReplays(lambda: now),
        standard_only=standard_only,
        clock=lambda: now,
    )


def reason(checked: Signatures, environ: dict[str, str], body: bytes = BODY) -> tuple[Any, Any]:
    """Return status and message of the error that refused the delivery."""
    with pytest.raises(ApiError) as caught:
        checked.check(environ, body)
    return caught.value.code, caught.value.description


GOOD = headers()["HTTP_WEBHOOK_SIGNATURE"]


def deliver(client: Any, identity: str) -> int:
    good = headers(id=identity, sent=str(int(time.time())))
    status: int = client.post("/v1/webhook", data=BODY, environ_overrides=good).status_code
    return status
