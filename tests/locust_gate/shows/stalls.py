"""A server that stalls for 1 s in every 5 s: what an open and a closed loop measure.

python tests/locust_gate/shows/stalls.py [--seconds 30]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from driving import run, served


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=30)
    seconds = parser.parse_args().seconds
    p99 = {}
    for profile in ("Open", "Closed"):
        stalls = ("--stall-every", "5", "--stall-for", "1")
        with tempfile.TemporaryDirectory() as made, served(*stalls) as host:
            load = ("-u", "1", "-t", f"{seconds}s", profile)
            ran = run("stalled.py", *load, host=host, folder=Path(made))
        sample = ran.sample(f"GET /{profile.lower()}")
        p99[profile] = sample["quantiles_ns"]["p99"] / 1e6
        print(f"== {profile}: {sample['n']} requests, p99 {p99[profile]:.1f} ms")
        print(ran.out)
    promised = abs(p99["Open"] - 960) < 40 and abs(p99["Closed"] - 60) < 10
    promised &= "closed loop: while a user waits" in ran.out
    print("as promised" if promised else "WRONG")
    return 0 if promised else 1


if __name__ == "__main__":
    sys.exit(main())
