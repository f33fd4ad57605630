"""100 000 mutated signature headers and bodies, in both schemes: none accepted, no 5xx."""

from __future__ import annotations

import io
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from serving import verdict
from werkzeug.test import EnvironBuilder

from hancock_app import Settings, create_app
from hancock_app.webhooks.keys import key_of
from hancock_app.webhooks.signatures import sign
from hancock_app.webhooks.standard_webhooks import Delivery

CASES = 100_000
SECRET = "a secret of some length"
BODY = b'{"event":"alert","host":"web-1"}'
FIELDS = ("HTTP_WEBHOOK_ID", "HTTP_WEBHOOK_TIMESTAMP", "HTTP_WEBHOOK_SIGNATURE")

Change = Callable[[random.Random, str], str]

CHANGES: dict[str, Change] = {
    "truncated": lambda dice, text: text[: dice.randrange(len(text))],
    "re-cased": lambda dice, text: text.swapcase(),
    "one character": lambda dice, text: _replaced(dice, text, chr(dice.randrange(32, 127))),
    "non-ASCII": lambda dice, text: _replaced(dice, text, chr(dice.randrange(128, 0x11000))),
    "control": lambda dice, text: _replaced(dice, text, chr(dice.randrange(32))),
    "repeated": lambda dice, text: dice.choice([",", ", ", ";"]).join(
        [text] * dice.randrange(2, 9)
    ),
    "longer": lambda dice, text: text + dice.choice("0aF= ,") * dice.randrange(1, 5000),
    "shuffled": lambda dice, text: "".join(dice.sample(text, len(text))),
    "spaced": lambda dice, text: _inserted(dice, text, dice.choice(" \t\u00a0")),
    "nothing": lambda dice, text: "",
}


def _replaced(dice: random.Random, text: str, by: str) -> str:
    at = dice.randrange(len(text))
    return text[:at] + by + text[at + 1 :]


def _inserted(dice: random.Random, text: str, insertion: str) -> str:
    at = dice.randrange(len(text))
    return text[:at] + insertion + text[at:]


def _body(dice: random.Random) -> bytes:
    at = dice.randrange(len(BODY))
    return BODY[:at] + bytes([BODY[at] ^ dice.randrange(1, 256)]) + BODY[at + 1 :]


def good(scheme: str, number: int) -> dict[str, str]:
    """The headers of a delivery that would be accepted."""
    if scheme == "guide":
        return {"HTTP_X_HANCOCK_SIGNATURE": sign(SECRET, BODY)}
    delivery = Delivery(f"msg_{number}", int(time.time()), ())
    signature = delivery.signature(key_of(SECRET), BODY).decode()
    return dict(zip(FIELDS, (delivery.id, str(delivery.sent_at), signature), strict=True))


def main() -> int:
    app = create_app(Settings(rate_limit=0, webhook_secret=SECRET))
    template = EnvironBuilder("/v1/webhook", method="POST", data=BODY).get_environ()

    def status(headers: dict[str, str], body: bytes) -> int:
        status_lines: list[str] = []
        environ = {**template, **headers, "wsgi.input": io.BytesIO(body)}
        answer: Any = app(environ, lambda line, *_: status_lines.append(line))  # type: ignore[arg-type]
        b"".join(answer)
        answer.close()
        return int(status_lines[0][:3])

    dice = random.Random(20_000)
    statuses: dict[str, Counter[int]] = {}
    for number in range(CASES):
        scheme = dice.choice(["guide", "standard"])
        name, change = dice.choice([*CHANGES.items(), ("body", None)])
        headers, body = good(scheme, number), BODY
        if change is None:
            body = _body(dice)
        else:
            header = dice.choice(list(headers))
            changed = change(dice, headers[header])
            if changed == headers[header]:
                changed += "x"
            headers[header] = changed
        statuses.setdefault(f"{scheme}, {name}", Counter())[status(headers, body)] += 1
    for name, counts in sorted(statuses.items()):
        print(f"{name:<26} {dict(counts)}")
    controls = {status(good(scheme, -1), BODY) for scheme in ("guide", "standard")}
    print(f"{CASES} cases, and unchanged ones: {controls}")
    wrong = [name for name, counts in statuses.items() if set(counts) != {401}]
    return verdict(wrong + ([] if controls == {200} else ["the unchanged ones"]))


if __name__ == "__main__":
    sys.exit(main())
