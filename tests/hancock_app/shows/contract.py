"""Schemathesis over the whole contract (pip install schemathesis): no 5xx, nothing undocumented.

    python tests/hancock_app/shows/contract.py [cases per operation, 3500 by default]

Operations without a body get few cases, so that nearly all cases are for the three POST operations.
Half of the webhooks have a valid signature. It takes a quarter of an hour.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from serving import ROOT, gunicorn, verdict

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "unsupported_method",
)
LEAST = 10_000
SECRET = "schemathesis-secret"
HOOKS = f"""
import random, sys
import schemathesis
sys.path.insert(0, {str(ROOT)!r})
from hancock_app.webhooks.signatures import sign

def signed(request):
    body = request.body if isinstance(request.body, bytes) else (request.body or "").encode()
    if random.random() < 0.5:
        request.headers["X-Hancock-Signature"] = sign({SECRET!r}, body)
    return request

@schemathesis.hook
def before_call(context, case, kwargs):
    if case.path == "/v1/webhook":
        kwargs["auth"] = signed
"""


def main() -> int:
    per_operation = sys.argv[1] if len(sys.argv) > 1 else "3500"
    environ = {"HANCOCK_RATE_LIMIT": "0", "HANCOCK_WEBHOOK_SECRET": SECRET}
    with (
        tempfile.TemporaryDirectory() as folder,
        gunicorn(Path(folder), "-w", "2", **environ) as served,
    ):
        (Path(folder) / "hooks.py").write_text(HOOKS)
        schemathesis = Path(sys.executable).with_name("schemathesis")
        done = subprocess.run(
            [
                *(str(schemathesis), "run", f"http://127.0.0.1:{served.port}/openapi.json"),
                *("--max-examples", per_operation, "--checks", ",".join(CHECKS)),
                *("--mode", "all", "--workers", "2", "--seed", "1", "--no-color"),
            ],
            cwd=folder,
            env={**os.environ, "SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": folder},
            capture_output=True,
            text=True,
            check=False,
        )
    print(done.stdout[-6000:], done.stderr[-2000:])
    match = re.search(r"(\d[\d,]*) generated", done.stdout)
    cases = int(match[1].replace(",", "")) if match else 0
    print(f"{cases} cases")
    wrong = [] if done.returncode == 0 else [f"schemathesis ended with {done.returncode}"]
    return verdict(wrong + ([] if cases >= LEAST else [f"fewer than {LEAST} cases"]))


if __name__ == "__main__":
    sys.exit(main())
