"""Runs all commands on damaged artifacts: none may end in a traceback, hang or exhaust memory.

    python tests/cli/damaging.py [--runs 20000] [--seed 1] [--programs 100]

Each run damages an artifact, a journal or a histogram in one to four places, and passes it to a
command in this process; one run in a hundred uses a separate process. Faults are an exit code other
than 0 to 3, an exit code 2 without a one-line explanation, invalid output, more than 10 s, and more
than 500 MB. It prints each fault and totals at the end, and exits with 1 if there were any faults.
`test_damaged_artifacts.py` makes a few hundred of these runs.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import copy
import io
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
import traceback
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_hancock_latency.cli import main as command_line
from pytest_hancock_latency.core.hdr_histogram import encode
from pytest_hancock_latency.core.histogram import Histogram
from pytest_hancock_latency.reporting.artifact_schema import check_artifact

ROOT = Path(__file__).resolve().parents[2]

GOLD = ROOT / "tests" / "reporting" / "artifacts"
LONGEST_S, LARGEST_MB = 10, 500
EXIT_CODES = {0, 1, 2, 3}

BUDGETS = """\
[budgets."test_health"]
p50 = 10
p99 = "50ms"
"""
COMMANDS: tuple[tuple[str, ...], ...] = (
    *(
        ("report", "DAMAGED", "--format", form)
        for form in ("text", "json", "markdown", "html", "junit")
    ),
    ("report", "DAMAGED", "WHOLE", "--strict"),
    ("report", "WHOLE", "--format", "html", "--baseline", "DAMAGED"),
    ("report", "DAMAGED", "--format", "html", "--baseline", "WHOLE", "-o", "OUT"),
    ("show", "DAMAGED"),
    ("show", "DAMAGED", "health"),
    ("show", "DAMAGED", "slow", "--format", "hdrhistogram"),
    ("merge", "DAMAGED"),
    ("merge", "DAMAGED", "WHOLE"),
    ("merge", "WHOLE", "DAMAGED", "-o", "OUT"),
    ("gate", "DAMAGED", "--budget", "p50=1ms,p99=5ms,errors=1%"),
    ("gate", "DAMAGED", "--budgets", "BUDGETS", "-o", "OUT"),
    ("gate", "DAMAGED", "WHOLE", "--budget", "max=1s", "--unit", "ms", "--strict"),
    ("suggest", "DAMAGED"),
    ("suggest", "DAMAGED", "WHOLE", "--format", "markers"),
    ("compare", "DAMAGED", "WHOLE"),
    ("compare", "WHOLE", "DAMAGED", "--strict"),
)
NAMES = {"DAMAGED", "WHOLE", "OUT", "BUDGETS"}


# --- what is damaged --------------------------------------------------------------------------


def bomb(counts: int) -> str:
    """Return a small histogram that decompresses to many buckets."""
    return encode(Histogram(dict.fromkeys(range(counts), 1)))


def endless() -> str:
    """Return a V2 text whose zlib stream contains nine million zeros."""
    packed = zlib.compress(bytes(9_000_000), 9)
    head = (0x1C849314).to_bytes(4, "big") + len(packed).to_bytes(4, "big")
    return base64.b64encode(head + packed).decode()


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


ODD: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 7, 10**6, 2**53, 2**53 + 1, 2**63 - 1, 2**63, -(2**63)),
    *(10**30, 10**400, 0.0, -0.5, 1.0, 1e-300, 1e17, 1e300),
    *(float("nan"), float("inf"), float("-inf")),
    *("", " ", "x", "p50", "p99", "p0", "p100", "p99.99999999", "max", "within", "not judged"),
    *("1/0", "0", "1", "1e999999999", "nan", "\x00", "\x1b[31m", "\ud800", "\u202e", "@x #1"),
    *("x" * 5000, "é\n|<b>`", "HISTFAAA", "2026-01-01"),
    *([], {}, [[]], [None], [1, 2], {"": 1}, {"p50": 1}, {"kind": "slower", "figures": {}}),
    *(nested(30), nested(90)),
)
KINDS_OF_ADVICE = (
    *(
        "cap-samples",
        "cap-time",
        "few-bursts",
        "tracer",
        "first-call",
        "clock",
        "quota",
        "throttled",
    ),
    *("unsteady-speed", "saturated", "saturated-generator", "not-compared", "slower"),
    *("generator-busy", "generator-late", "worker-lost", "coordinated-omission", "alike-names"),
    *("failures-unknown", "rps-not-judged", "no-latency", "new-kind"),
    *("tool-leaves-out", "cut-line", "rows-left-out"),
    *("unfinished-answer", "failed-answer", "buffered-stream"),
)
FIGURES = (
    *("tool", "line", "rows"),
    *("limit", "needed", "max_samples", "fitting", "time_limit_ns", "tools", "first_ns"),
    *("median_ns", "cpus", "percent", "factor", "concurrency", "send_lag_ns", "per_second"),
    *("before_ns", "after_ns", "allowed_percent", "process", "busy_seconds", "seconds", "lag_ns"),
    *("requests", "last_report_s", "omitted", "open_p99_ns", "closed_p99_ns", "why"),
    *(
        "names",
        "name",
        "answer",
        "state",
        "finish",
        "finish_ns",
        "status",
        "attribute",
        "alone",
        "warmed",
    ),
    "part",
)


def odd(dice: random.Random) -> Any:
    if dice.random() < 0.05:
        return dice.choice((bomb, lambda _: endless()))(dice.choice((1, 50, 50_000)))
    if dice.random() < 0.05:
        return {"kind": dice.choice(KINDS_OF_ADVICE), "figures": {}}
    return copy.deepcopy(dice.choice(ODD))


Place = tuple[Any, Any]
"""A dict or list, and a key or index in it."""


def places(value: Any) -> Iterator[Place]:
    """Yield all places in a JSON value."""
    keys = value if isinstance(value, dict) else range(len(value))
    for key in list(keys):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from places(value[key])


def damage_value(artifact: Any, dice: random.Random) -> None:
    """Change one place in a JSON value."""
    every = list(places(artifact))
    if not every:
        return
    holder, key = dice.choice(every)
    kind = dice.randrange(9)
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, dict):
        holder[f"{key}{dice.choice(('_', ' ', chr(0)))}"] = holder.pop(key)
    elif kind == 2 and isinstance(holder, list):
        holder.insert(key, holder[key])
    elif kind == 3 and isinstance(holder, dict):
        holder[dice.choice(("later", "p75", "max", "format", ""))] = odd(dice)
    elif kind == 4:
        other, its_key = dice.choice(every)
        holder[key] = json.loads(json.dumps(other[its_key]))
    elif kind == 5 and type(holder[key]) in (int, float):
        holder[key] = holder[key] * dice.choice((-1, 2, 0.5, 10**9)) + dice.choice((0, 1, -1))
    elif kind == 6 and isinstance(holder[key], str) and holder[key]:
        at = dice.randrange(len(holder[key]))
        holder[key] = holder[key][:at] + dice.choice("Aa0/+=\x00é") + holder[key][at + 1 :]
    else:
        holder[key] = odd(dice)


def damage_bytes(content: bytes, dice: random.Random) -> bytes:
    """Change some bytes at random positions."""
    at, other = sorted(dice.randrange(len(content) + 1) for _ in range(2))
    text = content.decode("utf-8", "replace")
    return dice.choice(
        (
            content[:at],
            content[:at] + content[other:],
            content[:other] + content[at:],
            content[:at] + content[at + dice.randrange(1, 200) :],
            content[:at] + dice.randbytes(dice.randrange(1, 9)) + content[at:],
            content[:at] + dice.randbytes(1) + content[at + 1 :],
            content[:at] + dice.choice((b"[", b"{", b'{"":')) * 20_000 + content[at:],
            b"\xef\xbb\xbf" + content,
            text.encode(dice.choice(("utf-16", "utf-32"))),
        )
    )


@dataclass(frozen=True)
class Source:
    """The valid input of a run."""

    name: str
    content: bytes

    @property
    def is_histogram(self) -> bool:
        return self.name.endswith(".hdr")


def sources() -> list[Source]:
    """Return artifacts of both formats, one with many fields, a journal, and a histogram."""
    whole = (GOLD / "format-1.json").read_bytes()
    artifact = json.loads(whole)
    sample = artifact["samples"][0]
    journal = [{"format": 1, "machine": artifact.get("machine", {})}, *artifact["samples"]]
    small = {**artifact, "samples": [sample]}
    rich = json.loads(json.dumps(small))
    rich["locust"] = {"version": "2", "users": 3, "participants": [{"id": "w1", "requests": 5}]}
    rich["merged_from"] = [{"file": "a.json"}]
    rich["samples"][0]["measurement"]["advice"] = [
        {"kind": kind, "figures": dict.fromkeys(FIGURES, 5)} for kind in KINDS_OF_ADVICE
    ]
    rich["samples"][0]["verdict"]["throughput"] = {
        "outcome": "within",
        "per_s": 10.0,
        "fall": 0.1,
        "least_fall": 0.0,
        "most_fall": 0.2,
        "judged_ns": 10**10,
    }
    rich["samples"][0]["verdict"]["rps"] = {
        "least_per_s": 200.0,
        "outcome": "within",
        "reason": "shown",
        "per_s": 250.0,
        "stretch_ns": 10**9,
        "n": 60,
        "short": 3,
        "strained": 2,
        "short_strained": 1,
        "needed": None,
        "reachable_per_s": 900.0,
    }
    return [
        Source("whole.json", whole),
        Source("early.json", (GOLD / "format-1-without-histograms.json").read_bytes()),
        Source("small.json", json.dumps(small).encode()),
        Source("rich.json", json.dumps(rich).encode()),
        Source("killed.json.journal", "".join(json.dumps(x) + "\n" for x in journal).encode()),
        Source("recorded.hdr", sample["histogram"].encode()),
    ]


def damaged(source: Source, dice: random.Random) -> bytes:
    """Return the content of a source, damaged in one to four places."""
    content = source.content
    if not source.is_histogram and dice.random() < 0.8:
        lines = source.name.endswith(".journal")
        values = [json.loads(line) for line in (content.splitlines() if lines else [content])]
        for _ in range(dice.choice((1, 1, 1, 2, 4))):
            damage_value(dice.choice(values), dice)
        # Numbers outside the range of floats are valid in JSON.
        content = "".join(f"{json.dumps(value)}\n" for value in values).encode()
        content = content.replace(b"1e+300", b"1e999") if dice.random() < 0.1 else content
    if source.is_histogram or dice.random() < 0.1:
        for _ in range(dice.choice((1, 1, 3))):
            content = damage_bytes(content, dice)
    return content


# --- the runs ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


def in_process(arguments: Sequence[str]) -> Ended:
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace") for _ in range(2))
    code = -1
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = command_line(arguments)
        except SystemExit as ended:
            code = int(ended.code or 0)
        except BaseException:
            traceback.print_exc()
    for stream in (out, err):
        stream.seek(0)
    return Ended(code, out.read(), err.read())


def as_program(arguments: Sequence[str]) -> Ended:
    code = "import sys; from pytest_hancock_latency.cli import main; sys.exit(main())"
    run = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        capture_output=True,
        timeout=6 * LONGEST_S,
        check=False,
    )
    return Ended(run.returncode, run.stdout.decode(), run.stderr.decode())


def refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def faults_of(ended: Ended, arguments: Sequence[str], output: Path) -> Iterator[str]:
    """Yield the faults in how a command ended."""
    if ended.code not in EXIT_CODES or "Traceback" in ended.err:
        yield f"exit code {ended.code}: {ended.err[-2000:]}"
        return
    if ended.code == 2:
        one_line = ended.err.startswith("hancock-latency: ") and ended.err.count("\n") == 1
        if not one_line or (not ended.err.isprintable() and not ended.err[:-1].isprintable()):
            yield f"not one printable line: {ended.err!r}"
        return
    if ended.err:
        yield f"exit code {ended.code} with an error: {ended.err}"
    if (
        arguments[0] == "merge"
        or "json" in arguments
        or (arguments[0] == "gate" and output.exists())
    ):
        text = output.read_text() if "-o" in arguments else ended.out
        try:
            check_artifact(json.loads(text, parse_constant=refuse_constant))
        except Exception as error:
            yield f"wrote what is not an artifact: {error!r}"


@dataclass
class Runs:
    """Makes runs in a folder, and counts results."""

    folder: Path
    dice: random.Random
    codes: Counter[int]
    slowest_s: float = 0

    def run(self, command: Callable[[Sequence[str]], Ended]) -> list[str]:
        """Damage a source and pass it to a command; return the faults."""
        source = self.dice.choice(SOURCES)
        path, output = self.folder / source.name, self.folder / "out"
        output.unlink(missing_ok=True)
        content = damaged(source, self.dice)
        path.write_bytes(content)
        files = {"DAMAGED": path, "OUT": output, "WHOLE": GOLD / "format-1.json"}
        files["BUDGETS"] = self.folder / "budgets.toml"
        files["BUDGETS"].write_text(BUDGETS)
        command_line = self.dice.choice(COMMANDS)
        arguments = [str(files[part]) if part in NAMES else part for part in command_line]
        began = time.perf_counter()
        ended = command(arguments)
        elapsed_s = time.perf_counter() - began
        self.slowest_s = max(self.slowest_s, elapsed_s)
        self.codes[ended.code] += 1
        faults = list(faults_of(ended, arguments, output))
        if elapsed_s > LONGEST_S:
            faults.append(f"{elapsed_s:.1f} s")
        path.unlink()
        return [f"{' '.join(command_line)} on {source.name}: {fault}" for fault in faults]


SOURCES = sources()


def peak_mb(who: int) -> float:
    """Return the peak memory of this process or of any of its children."""
    return resource.getrusage(who).ru_maxrss / 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--programs", type=int, default=100, help="one run in so many")
    options = parser.parse_args()
    faults = []
    with tempfile.TemporaryDirectory() as folder:
        runs = Runs(Path(folder), random.Random(options.seed), Counter())
        for number in range(options.runs):
            found = runs.run(in_process if number % options.programs else as_program)
            for fault in found:
                print(f"run {number}: {fault}", flush=True)
            faults += found
    here, children = peak_mb(resource.RUSAGE_SELF), peak_mb(resource.RUSAGE_CHILDREN)
    if max(here, children) > LARGEST_MB:
        faults.append("memory")
    print(
        f"{options.runs} runs, exit codes {dict(sorted(runs.codes.items()))}, {len(faults)} faults,"
        f" slowest {runs.slowest_s:.2f} s, peak {here:.0f} MB here, {children:.0f} MB as a program"
    )
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
