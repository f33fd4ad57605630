"""A million events, one in a thousand malformed, with ten thousand names: all are counted.

python tests/locust_gate/shows/odd_events.py
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from driving import all_requests, run

LONGEST_END_S = 5.0
START_S = 3.0
"""What Locust takes to start and to end without us, generously."""
CASES = (
    ("a million, one in a thousand odd", 20, {"EVENTS": "1000000", "ODD_EVERY": "1000"}),
    ("ten thousand names", 5, {"EVENTS": "30000", "NAMES": "10000"}),
)


def main() -> int:
    wrong = []
    for name, seconds, sent in CASES:
        with tempfile.TemporaryDirectory() as made:
            begin, folder = time.monotonic(), Path(made)
            ran = run(
                "odd.py", "-u", "1", "-t", f"{seconds}s", host="http://x", folder=folder, **sent
            )
            took_s = time.monotonic() - begin
            artifacts = sorted(path.name for path in (folder / "artifacts").iterdir())
        counted = all_requests(ran.artifact)
        print(
            f"{name}: sent {sent['EVENTS']}, counted {counted}, {len(ran.artifact['samples'])} "
            f"samples, {took_s:.1f} s for {seconds} s, {', '.join(artifacts)}"
        )
        is_late = took_s > seconds + START_S + LONGEST_END_S
        wrong += [name] if is_late or counted != int(sent["EVENTS"]) else []
    print(f"WRONG: {wrong}" if wrong else "as promised")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
