"""The steps of the Dockerfile without a container engine, in a fresh folder and environment.

Everything that the Dockerfile copies is copied, and everything that it runs is run, with its paths
below a temporary folder. Then its CMD is started as its USER, with its ENV and nothing else. It has
to pass its HEALTHCHECK, answer a question and stop on SIGTERM.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from serving import PATIENT_S, ROOT, Asker, free_port, is_open, verdict, wait_for

INSTRUCTION = re.compile(r"^([A-Z]+) (.*)$")


def instructions(text: str) -> list[tuple[str, str]]:
    """The Dockerfile as (instruction, rest), continued lines joined, comments left out."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    joined = re.sub(r"\s*\\\n\s*", " ", "\n".join(lines))
    matches = (INSTRUCTION.match(line) for line in joined.splitlines())
    return [(match[1], match[2]) for match in matches if match]


class Image:
    """What the steps leave behind, with `/src` and `/opt/hancock` below `folder`."""

    def __init__(self, folder: Path, python: str) -> None:
        self._folder = folder
        self._python = python
        self.user = "0:0"
        self.environ: dict[str, str] = {}
        self.command: list[str] = []
        self.check: list[str] = []

    def moved(self, text: str) -> str:
        return text.replace("/opt/hancock", str(self._folder / "opt/hancock"))

    def step(self, name: str, rest: str) -> None:
        if name == "COPY" and not rest.startswith("--from"):
            self._copy(rest.split())
        elif name == "RUN":
            program, _, arguments = self.moved(rest).partition(" ")
            program = self._python if program == "python" else program
            subprocess.run(
                f"{program} {arguments}", shell=True, check=True, cwd=self._folder / "src"
            )
        elif name == "ENV":
            for pair in shlex.split(self.moved(rest)):
                key, _, value = pair.partition("=")
                self.environ[key] = value.replace("$PATH", "/usr/bin:/bin")
        elif name == "USER":
            self.user = rest
        elif name == "HEALTHCHECK":
            self.check = json.loads(rest.partition("CMD ")[2])
        elif name == "CMD":
            self.command = json.loads(rest)

    def _copy(self, names: list[str]) -> None:
        *sources, target = names
        for source in sources:
            into = (self._folder / "src" / target / source) if target == "./" else None
            into = into or self._folder / "src" / target
            if (ROOT / source).is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(ROOT / source, into, ignore=ignored)
            else:
                shutil.copy(ROOT / source, into)

    def as_user(self, command: list[str]) -> list[str]:
        """`command` by the user of the image, where we may choose; it has no home and no rights."""
        user, _, group = self.user.partition(":")
        if os.geteuid() != 0:
            return command
        drop = ["--clear-groups", "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all"]
        return ["setpriv", f"--reuid={user}", f"--regid={group}", *drop, *command]


def main() -> int:
    # Not our own environment's: whoever has no rights may not be let into its folder.
    python = shutil.which("python3", path="/usr/bin") or sys.executable
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "src").mkdir()
        image = Image(folder, python)
        for step, rest in instructions((ROOT / "deploy/Dockerfile").read_text()):
            print(step, rest[:90])
            image.step(step, rest)
        return run(image, folder)


def run(image: Image, folder: Path) -> int:
    port = free_port()
    environ = {**image.environ, "HANCOCK_HOST": "127.0.0.1", "HANCOCK_PORT": str(port)}
    program = [f"{folder}/opt/hancock/bin/{image.command[0]}", *image.command[1:]]
    process = subprocess.Popen(image.as_user([*program, "-w", "2"]), env=environ, cwd="/")
    try:
        wait_for(lambda: is_open(port), "the CMD")
        check = [part.replace(":5000", f":{port}") for part in image.check]
        checked = subprocess.run(
            image.as_user([f"{folder}/opt/hancock/bin/{check[0]}", *check[1:]]),
            env=environ,
            check=False,
            timeout=PATIENT_S,
        )
        status = Path(f"/proc/{process.pid}/status").read_text()
        uid = re.search(r"^Uid:\s+(\d+)", status, re.M)
        answer = Asker(port).ask()
    finally:
        process.terminate()
        began = time.monotonic()
        code = process.wait(PATIENT_S)
    print(f"runs as {uid and uid[1]}, healthcheck {checked.returncode}, /v1/ask {answer.status}")
    print(f"stopped with {code} after {time.monotonic() - began:.1f} s")
    wrong = [] if checked.returncode == 0 else ["the HEALTHCHECK"]
    wrong += [] if answer.status == 200 else ["/v1/ask"]
    return verdict(wrong + ([] if code == 0 else ["the stop"]))


if __name__ == "__main__":
    sys.exit(main())
