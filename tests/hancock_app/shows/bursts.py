"""Ten bursts of ten times the rate limit, gunicorn 4 × 8, Redis: exactly the limit is admitted."""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from pathlib import Path

from serving import Asker, gunicorn, redis, together, verdict

CONNECTIONS, LIMIT, BURSTS = 64, 96, 10


def burst(port: int, client: str) -> Counter[int]:
    """The statuses of ten times the limit, asked for by one address."""
    statuses: list[int] = []

    def ask(number: int) -> None:
        asker = Asker(port)
        for _ in range(10 * LIMIT // CONNECTIONS):
            statuses.append(asker.ask(X_Forwarded_For=client).status)
        asker.close()

    together(CONNECTIONS, ask)
    return Counter(statuses)


def main() -> int:
    with tempfile.TemporaryDirectory() as folder, redis() as storage:
        environ = {
            "HANCOCK_RATE_LIMIT": str(LIMIT),
            "HANCOCK_RATE_LIMIT_STORAGE": storage,
            "HANCOCK_STORAGE_TIMEOUT": "30s",
            "HANCOCK_TRUSTED_PROXIES": "1",
        }
        wrong = []
        with gunicorn(Path(folder), "-w", "4", "--threads", "8", **environ) as served:
            for number in range(BURSTS):
                statuses = burst(served.port, f"192.0.2.{number}")
                print(f"burst {number}: {dict(sorted(statuses.items()))}")
                if statuses != {200: LIMIT, 429: 9 * LIMIT}:
                    wrong.append(f"burst {number}")
    return verdict(wrong)


if __name__ == "__main__":
    sys.exit(main())
