"""The verifier of webhooks: accepts what was signed, nothing else, and never breaks."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

from hypothesis import example
from hypothesis import strategies as st

from hancock_app.errors import ApiError
from hancock_app.webhooks.keys import key_of
from hancock_app.webhooks.replays import MemoryReplays
from hancock_app.webhooks.signatures import Signatures, sign

from .fuzzing import damaged_text, fuzzed, odd_words

SECRET = "a-secret-of-fuzzing"
OLD_SECRET = "whsec_" + base64.b64encode(b"an older secret of fuzzing").decode()
NOW = 1_700_000_000
PREFIX = "HTTP_WEBHOOK_"

bodies = st.binary(max_size=60)
# Servers decode headers as Latin-1, so that is what a header can be.
headers = st.one_of(
    st.text(st.characters(max_codepoint=255), max_size=40),
    odd_words.filter(lambda word: len(word) < 500),
)


def verifier(*, standard_only: bool = False) -> Signatures:
    secrets = (SECRET, OLD_SECRET)
    return Signatures(
        secrets, MemoryReplays(lambda: NOW), standard_only=standard_only, clock=lambda: NOW
    )


def standard(id_: str, timestamp: str, body: bytes, secret: str = SECRET) -> dict[str, str]:
    content = f"{id_}.{timestamp}.".encode("utf-8", "surrogatepass") + body
    digest = hmac.new(key_of(secret), content, hashlib.sha256).digest()
    return {
        f"{PREFIX}ID": id_,
        f"{PREFIX}TIMESTAMP": timestamp,
        f"{PREFIX}SIGNATURE": f"v1,{base64.b64encode(digest).decode()}",
    }


def status_of(environ: dict[str, Any], body: bytes, *, standard_only: bool = False) -> int:
    """200, or the status of the refusal."""
    signatures = verifier(standard_only=standard_only)
    try:
        signatures.claim(signatures.check(environ, body))
    except ApiError as error:
        assert error.message
        assert error.message.isascii()
        return error.code or 0
    return 200


@fuzzed("webhooks", headers, bodies, st.booleans())
@example("sha256=" + "0" * 64, b"", False)
def test_no_header_is_accepted_that_is_not_the_signature(
    header: str, body: bytes, standard_only: bool
) -> None:
    environ = {"HTTP_X_HANCOCK_SIGNATURE": header}
    assert status_of(environ, body, standard_only=standard_only) == 401


@fuzzed("webhooks", bodies)
def test_what_was_signed_is_accepted(body: bytes) -> None:
    for secret in (SECRET, OLD_SECRET):
        assert status_of({"HTTP_X_HANCOCK_SIGNATURE": sign(secret, body)}, body) == 200


@fuzzed("webhooks", bodies, bodies, st.data())
def test_a_changed_signature_or_body_is_refused(
    body: bytes, other: bytes, data: st.DataObject
) -> None:
    signature = sign(SECRET, body)
    changed = data.draw(damaged_text(st.just(signature)))
    assert (200 if changed == signature else 401) == status_of(
        {"HTTP_X_HANCOCK_SIGNATURE": changed}, body
    )
    assert (200 if other == body else 401) == status_of(
        {"HTTP_X_HANCOCK_SIGNATURE": signature}, other
    )


@fuzzed("webhooks", headers, headers, headers, bodies)
@example("id", "\u0661", "v1,x", b"")
def test_no_three_headers_are_accepted_that_were_not_signed(
    id_: str, timestamp: str, signature: str, body: bytes
) -> None:
    environ = {
        f"{PREFIX}ID": id_,
        f"{PREFIX}TIMESTAMP": timestamp,
        f"{PREFIX}SIGNATURE": signature,
    }
    assert status_of(environ, body) == 401


ids = st.text(st.characters(min_codepoint=33, max_codepoint=255), min_size=1, max_size=256)


@fuzzed("webhooks", ids, st.integers(NOW - 400, NOW + 400), bodies, st.booleans())
def test_a_standard_webhook_is_accepted_within_five_minutes(
    id_: str, sent_at: int, body: bytes, standard_only: bool
) -> None:
    expected = 200 if abs(sent_at - NOW) <= 300 else 401
    environ = standard(id_, str(sent_at), body)
    assert expected == status_of(environ, body, standard_only=standard_only)


@fuzzed("webhooks", ids, bodies, st.data())
def test_a_changed_standard_webhook_is_refused(id_: str, body: bytes, data: st.DataObject) -> None:
    environ = standard(id_, str(NOW), body, OLD_SECRET)
    name = data.draw(st.sampled_from(sorted(environ)))
    changed = {**environ, name: data.draw(damaged_text(st.just(environ[name])))}
    # A list of signatures may repeat what is valid next to one that is not.
    is_valid = environ[f"{PREFIX}SIGNATURE"] in changed[f"{PREFIX}SIGNATURE"].split(" ")
    is_same = all(changed[key] == environ[key] for key in environ if "SIGNATURE" not in key)
    status = status_of(changed, body)
    assert status in {200, 401}
    assert status == 401 or (is_valid and is_same)


@fuzzed("webhooks", ids, bodies)
def test_a_replay_is_refused(id_: str, body: bytes) -> None:
    signatures, environ = verifier(), standard(id_, str(NOW), body)
    signatures.claim(signatures.check(environ, body))
    try:
        signatures.claim(signatures.check(environ, body))
    except ApiError as error:
        assert error.code == 409
    else:
        raise AssertionError("accepted twice")


@fuzzed("webhooks", st.text(max_size=40) | odd_words)
@example("whsec_")
@example("whsec_é")
def test_any_secret_is_a_key_or_refused(secret: str) -> None:
    try:
        key = key_of(secret)
    except ValueError as error:
        assert not secret or len(secret) < 8 or secret not in str(error)
        return
    assert len(key) >= 16
