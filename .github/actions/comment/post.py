"""Posts the table of latency budgets to a pull request, or updates the table that is there.

Reads the event that GitHub describes in a file, so that nothing of it passes through a shell, and
talks to GitHub by `gh api`. What it cannot post is a warning: the verdict is the gate's.

    SUMMARY   Markdown files, one a line   NAME      tells several tables of a pull request apart
    GH_TOKEN  may write to pull requests
"""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

LONGEST = 60_000  # GitHub takes 65 536 characters
REST = "\n\nThe rest is in the job summary.\n"


class NotPosted(Exception):
    """There is nobody to post to; the text says why."""


def main(environ: Mapping[str, str]) -> None:
    try:
        print(post(environ))
    except NotPosted as why:
        print(f"no comment: {why}")
    except subprocess.CalledProcessError as error:
        warn(" ".join(error.stderr.split()) or f"gh ended with exit code {error.returncode}")
    except FileNotFoundError as error:
        warn(f"{error.filename}: {error.strerror}")
    except ValueError as error:
        warn(f"the answer of GitHub is not JSON: {error}")


def warn(text: str) -> None:
    escaped = " ".join(text.split()).replace("%", "%25")
    print(f"::warning title=latency table not posted::{escaped}")


def post(environ: Mapping[str, str]) -> str:
    repository = environ["GITHUB_REPOSITORY"]
    summaries = [Path(line) for line in environ["SUMMARY"].splitlines() if line]
    body = body_of(summaries, marker_of(environ.get("NAME", "")))
    event = json.loads(Path(environ["GITHUB_EVENT_PATH"]).read_text(encoding="utf-8"))
    number = number_of(environ["GITHUB_EVENT_NAME"], event, repository)
    earlier = own_comment(repository, number, body.partition("\n")[0])
    if earlier is None:
        gh("POST", f"repos/{repository}/issues/{number}/comments", body=body)
        return f"posted to pull request {number}"
    gh("PATCH", f"repos/{repository}/issues/comments/{earlier}", body=body)
    return f"updated comment {earlier} of pull request {number}"


def marker_of(name: str) -> str:
    if not re.fullmatch(r"[\w. -]*", name):
        raise SystemExit(f"name {name!r} may have letters, digits, spaces and . _ - only")
    return f"<!-- hancock-latency {name}".rstrip() + " -->"


def body_of(summaries: Sequence[Path], marker: str) -> str:
    text = "\n\n".join(text for text in map(text_of, summaries) if text)
    if not text:
        raise NotPosted(f"{summaries[0]} has no table")
    if len(text) > LONGEST:
        cut = text[:LONGEST]
        text = (cut.rpartition("\n")[0] or cut) + REST
    return f"{marker}\n{text}\n"


def text_of(path: Path) -> str:
    """The text of a summary, as far as it can be posted; nothing if there is none.

    In a workflow of one job, tests of the pull request write it: a link could lead to any file that
    this step may read, among them its own environment with the token.
    """
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        file = os.open(path, flags)
    except OSError:
        if path.is_symlink():
            raise NotPosted(f"{path} is a link") from None
        return ""
    if path.is_symlink() or not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise NotPosted(f"{path} is not a file")
    with open(file, "rb") as opened:
        content = opened.read(4 * LONGEST + 4)  # a character has up to four bytes
    return content.decode(errors="replace").strip()


def number_of(name: str, event: Mapping[str, Any], repository: str) -> int:
    """The pull request that the event is about, where the event's token may write to it."""
    if name == "workflow_run":
        return number_of_run(event["workflow_run"], repository)
    if name != "pull_request":
        raise NotPosted(f"{name} is no pull request")
    request = event["pull_request"]
    head = (request["head"]["repo"] or {}).get("full_name")
    if head != repository:
        raise NotPosted(
            "a pull request from a fork has a token that may only read; "
            "the table is in the job summary"
        )
    return int(request["number"])


def number_of_run(run: Mapping[str, Any], repository: str) -> int:
    """The open pull request whose newest commit the run has measured."""
    if run["head_repository"] is None:
        raise NotPosted("the repository of the run has been deleted")
    owner = run["head_repository"]["owner"]["login"]
    head = {"state": "open", "head": f"{owner}:{run['head_branch']}"}
    for request in gh("GET", f"repos/{repository}/pulls", **head):
        if request["head"]["sha"] == run["head_sha"]:
            return int(request["number"])
    raise NotPosted("the run belongs to no open pull request, or not to its newest commit")


def own_comment(repository: str, number: int, marker: str) -> int | None:
    """The comment of a bot that begins with the marker; a person may have quoted it."""
    path = f"repos/{repository}/issues/{number}/comments"
    for comment in gh("GET", path, per_page="100"):
        if comment["user"]["type"] == "Bot" and comment["body"].startswith(marker):
            return int(comment["id"])
    return None


def gh(method: str, path: str, **fields: str) -> list[Any]:
    """The answer of GitHub, all of its pages together."""
    command = ["gh", "api", "--method", method, path]
    if method == "GET":
        command.append("--paginate")
        for name, value in fields.items():
            command += ["--raw-field", f"{name}={value}"]
    else:
        command += ["--input", "-"]
    sent = None if method == "GET" else json.dumps(fields)
    answer = subprocess.run(command, input=sent, capture_output=True, text=True, check=True)
    return list(elements(answer.stdout))


def elements(text: str) -> Iterator[Any]:
    """The elements of one JSON array after another: older versions of gh do not join pages."""
    decoder, at = json.JSONDecoder(), 0
    while text := text[at:].lstrip():
        page, at = decoder.raw_decode(text)
        yield from page if isinstance(page, list) else [page]


if __name__ == "__main__":
    main(os.environ)
    sys.exit(0)
