"""The script that posts the table to a pull request, run as the action runs it.

GitHub is a `gh` of our own on the path: it writes down what it was asked, and answers from a file.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
POST = ROOT / ".github" / "actions" / "comment" / "post.py"
MARKER = "<!-- hancock-latency -->"
TABLE = "### Latency budgets\n\n1 within\n"
COMMENTS = "repos/we/ours/issues/7/comments"
GH = """#!{python}
import json, os, pathlib, sys
folder = pathlib.Path(os.environ["GH_FOLDER"])
method, path = sys.argv[3], sys.argv[4]
sent = None if method == "GET" else json.load(sys.stdin)
with (folder / "asked").open("a") as log:
    print(json.dumps([sys.argv[1:], sent]), file=log)
answers = json.loads((folder / "answers").read_text())
answer = answers.get(method + " " + path, "[]")
if answer is None:
    sys.exit("HTTP 403: Resource not accessible by integration (100% sure)")
print(answer)
"""


class GitHub:
    """An event, the answers to what is asked about it, and what was asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "gh").write_text(GH.format(python=sys.executable))
        (folder / "gh").chmod(0o755)
        self.answers: dict[str, str | None] = {}
        self.summary(TABLE)
        self.event("pull_request", pull_request=request("we/ours"))

    def event(self, name: str, **content: Any) -> None:
        self.name = name
        (self.folder / "event.json").write_text(json.dumps(content))

    def summary(self, text: str) -> None:
        (self.folder / "summary.md").write_text(text, encoding="utf-8")

    def post(self, name: str = "", path: str | None = None) -> list[str]:
        """The lines of a run that ended well."""
        (self.folder / "answers").write_text(json.dumps(self.answers))
        environ = {
            "PATH": path or f"{self.folder}{os.pathsep}{os.environ['PATH']}",
            "GH_FOLDER": str(self.folder),
            "GITHUB_REPOSITORY": "we/ours",
            "GITHUB_EVENT_NAME": self.name,
            "GITHUB_EVENT_PATH": str(self.folder / "event.json"),
            "SUMMARY": str(self.folder / "summary.md"),
            "NAME": name,
        }
        ran = subprocess.run(
            [sys.executable, POST], env=environ, capture_output=True, text=True, check=True
        )
        return ran.stdout.splitlines()

    @property
    def asked(self) -> list[tuple[list[str], Any]]:
        log = self.folder / "asked"
        if not log.exists():
            return []
        return [tuple(json.loads(line)) for line in log.read_text().splitlines()]

    @property
    def written(self) -> list[tuple[str, str, str]]:
        """Method, path and text of everything that was sent."""
        return [(words[2], words[3], sent["body"]) for words, sent in self.asked if sent]


@pytest.fixture
def github(tmp_path: Path) -> GitHub:
    return GitHub(tmp_path)


def request(repository: str | None) -> dict[str, Any]:
    return {"number": 7, "head": {"repo": repository and {"full_name": repository}}}


def comment(number: int, body: str, kind: str = "Bot") -> dict[str, Any]:
    return {"id": number, "body": body, "user": {"type": kind, "login": "someone"}}


def test_the_table_is_posted_where_there_is_none(github: GitHub) -> None:
    assert github.post() == ["posted to pull request 7"]
    assert [("POST", COMMENTS, f"{MARKER}\n{TABLE}")] == github.written


def test_the_table_that_is_there_is_updated(github: GitHub) -> None:
    page = [comment(1, "nice"), comment(2, f"{MARKER}\nold"), comment(3, "unrelated")]
    github.answers[f"GET {COMMENTS}"] = json.dumps(page)
    assert github.post() == ["updated comment 2 of pull request 7"]
    path = "repos/we/ours/issues/comments/2"
    assert [("PATCH", path, f"{MARKER}\n{TABLE}")] == github.written


def test_the_table_is_found_on_a_later_page(github: GitHub) -> None:
    pages = [[comment(1, "nice")], [comment(2, f"{MARKER}\nold")]]
    github.answers[f"GET {COMMENTS}"] = "".join(map(json.dumps, pages))
    assert github.post() == ["updated comment 2 of pull request 7"]
    assert "--paginate" in github.asked[0][0]


def test_other_comments_of_the_bot_and_quotations_of_the_table_are_left_alone(
    github: GitHub,
) -> None:
    page = [
        comment(1, "coverage 97 %"),
        comment(2, f"{MARKER}\nquoted", kind="User"),
        comment(3, f"> {MARKER}"),
        comment(4, "<!-- hancock-latency py311 -->\nanother table"),
    ]
    github.answers[f"GET {COMMENTS}"] = json.dumps(page)
    assert github.post() == ["posted to pull request 7"]


def test_a_table_with_a_name_is_one_of_its_own(github: GitHub) -> None:
    page = [comment(1, f"{MARKER}\nold"), comment(2, "<!-- hancock-latency py311 -->\nold")]
    github.answers[f"GET {COMMENTS}"] = json.dumps(page)
    assert github.post(name="py311") == ["updated comment 2 of pull request 7"]


@pytest.mark.parametrize("head", ["them/theirs", None], ids=["a fork", "a fork that is gone"])
def test_a_fork_gets_no_comment_and_github_is_not_asked(github: GitHub, head: str | None) -> None:
    github.event("pull_request", pull_request=request(head))
    assert github.post() == [
        "no comment: a pull request from a fork has a token that may only read; "
        "the table is in the job summary"
    ]
    assert github.asked == []


@pytest.mark.parametrize("event", ["push", "pull_request_target", "schedule"])
def test_other_events_are_left_alone(github: GitHub, event: str) -> None:
    github.event(event, pull_request=request("we/ours"))
    assert [f"no comment: {event} is no pull request"] == github.post()
    assert github.asked == []


def test_without_a_table_there_is_no_comment(github: GitHub) -> None:
    github.summary("")
    expected = f"no comment: {github.folder / 'summary.md'} has no table"
    assert [expected] == github.post()
    (github.folder / "summary.md").unlink()
    assert [expected] == github.post()


def test_a_refusal_of_github_is_a_warning(github: GitHub) -> None:
    github.answers[f"GET {COMMENTS}"] = None
    assert github.post() == [
        "::warning title=latency table not posted::"
        "HTTP 403: Resource not accessible by integration (100%25 sure)"
    ]


def test_a_machine_without_gh_is_a_warning(github: GitHub, tmp_path: Path) -> None:
    assert github.post(path=str(tmp_path / "nowhere")) == [
        "::warning title=latency table not posted::gh: No such file or directory"
    ]


def test_a_table_that_github_would_refuse_for_its_length_is_cut_at_a_line(github: GitHub) -> None:
    github.summary("| a row |\n" * 10_000)
    github.post()
    ((_, _, body),) = github.written
    assert 60_100 > len(body) > 60_000
    assert body.endswith("| a row |\n\nThe rest is in the job summary.\n\n")


def test_a_table_of_a_single_long_line_is_cut_as_well(github: GitHub) -> None:
    github.summary("é" * 70_000)
    github.post()
    ((_, _, body),) = github.written
    assert body == f"{MARKER}\n{'é' * 60_000}\n\nThe rest is in the job summary.\n\n"


def test_a_link_in_place_of_the_table_is_not_followed(github: GitHub) -> None:
    summary = github.folder / "summary.md"
    summary.unlink()
    summary.symlink_to("/proc/self/environ")
    assert [f"no comment: {summary} is a link"] == github.post()
    assert github.asked == []


def test_a_folder_or_pipe_in_place_of_the_table_is_not_read(github: GitHub) -> None:
    summary = github.folder / "summary.md"
    summary.unlink()
    os.mkfifo(summary)
    assert [f"no comment: {summary} is not a file"] == github.post()
    summary.unlink()
    summary.mkdir()
    assert [f"no comment: {summary} is not a file"] == github.post()


def test_a_table_that_is_not_in_utf_8_is_posted_as_far_as_it_can_be_read(github: GitHub) -> None:
    (github.folder / "summary.md").write_bytes(b"caf\xe9\n")
    github.post()
    assert [("POST", COMMENTS, f"{MARKER}\ncaf\ufffd\n")] == github.written


def test_an_answer_of_github_that_is_not_json_is_a_warning(github: GitHub) -> None:
    github.answers[f"GET {COMMENTS}"] = "<html>\n::error::x"
    assert github.post() == [
        "::warning title=latency table not posted::"
        "the answer of GitHub is not JSON: Expecting value: line 1 column 1 (char 0)"
    ]


def test_the_run_of_a_deleted_fork_posts_nothing(github: GitHub) -> None:
    github.event("workflow_run", workflow_run={**RUN, "head_repository": None})
    assert github.post() == ["no comment: the repository of the run has been deleted"]


def test_a_name_that_could_end_the_marker_is_refused(github: GitHub) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refused:
        github.post(name="--> <b>")
    expected = "name '--> <b>' may have letters, digits, spaces and . _ - only\n"
    assert expected == refused.value.stderr


RUN = {
    "head_repository": {"owner": {"login": "them"}},
    "head_branch": "fix&state=closed",
    "head_sha": "ab12",
}


def test_the_run_of_a_fork_is_posted_by_a_second_workflow(github: GitHub) -> None:
    github.event("workflow_run", workflow_run=RUN)
    found = [{"number": 6, "head": {"sha": "old"}}, {"number": 7, "head": {"sha": "ab12"}}]
    github.answers["GET repos/we/ours/pulls"] = json.dumps(found)
    assert github.post() == ["posted to pull request 7"]
    fields = ["--raw-field", "state=open", "--raw-field", "head=them:fix&state=closed"]
    assert github.asked[0][0][-4:] == fields


def test_a_run_that_is_no_longer_the_newest_posts_nothing(github: GitHub) -> None:
    github.event("workflow_run", workflow_run=RUN)
    github.answers["GET repos/we/ours/pulls"] = json.dumps([{"number": 7, "head": {"sha": "new"}}])
    assert github.post() == [
        "no comment: the run belongs to no open pull request, or not to its newest commit"
    ]
