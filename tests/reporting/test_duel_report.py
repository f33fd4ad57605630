"""A duel as text, Markdown, JSON and a page."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from importlib.resources import files
from math import inf, log
from typing import Any, Final

import jsonschema
import pytest
from lxml import html

from pytest_hancock_latency.core.quantile import P50
from pytest_hancock_latency.reporting.duel_json import duel_json
from pytest_hancock_latency.reporting.duel_report import duel_markdown, duel_text, progress_text
from pytest_hancock_latency.reporting.html import duel_html
from pytest_hancock_latency.runs.duel import (
    Duel,
    DueledSample,
    DuelOutcome,
    DuelProgress,
    DuelRule,
    DuelVerdict,
)

from . import gold

SESSION: Final[dict[str, Any]] = {
    "tool": "pytest-hancock-latency",
    "started_unix_s": 1_700_000_000.0,
    "machine": {"cpu": "a CPU", "cores": 2, "python": "3.12.1"},
    "commit": {"id": "4567abcde", "branch": "main", "dirty": True},
    "ci": None,
}


def sample(
    title: str, outcome: DuelOutcome, ratio: float, edges: tuple[float, float]
) -> DueledSample:
    verdict = DuelVerdict(outcome, 8, ratio, *edges, settled=True)
    return DueledSample(title, P50, verdict, DuelRule(), 1e6, ratio * 1e6, (log(ratio),) * 9)


ALLOWED: Final = DueledSample(
    "test_a.py::test_post p90",
    Fraction(9, 10),
    DuelVerdict(DuelOutcome.INCONCLUSIVE, 1, 1.2, 0, inf, settled=True),
    DuelRule(regression=Fraction(1, 10)),
    2e6,
    2.4e6,
    (log(1.2),),
)
DUEL: Final = Duel(
    base="main (0123abcde)",
    head="HEAD (4567abcde) with 1 changed file",
    samples=(
        sample("test_a.py::test_fast", DuelOutcome.FASTER, 0.9, (0.88, 0.93)),
        sample("test_a.py::test_same", DuelOutcome.NOT_SLOWER, 1.001, (0.99, 1.03)),
        ALLOWED,
        sample("test_a.py::test_bad", DuelOutcome.SLOWER, 1.06, (1.04, 1.08)),
        sample("test_a.py::test_worse[<b>]", DuelOutcome.SLOWER, 1.10, (1.05, 1.15)),
    ),
    left_out={"test_a.py::test_load [burst]": "a burst: not measured in turns"},
    remarks=("base was killed by SIGKILL",),
    passes=8,
    elapsed_s=61.3,
)


@pytest.mark.parametrize(
    ("text", "file"), [(duel_text(DUEL), "duel.txt"), (duel_markdown(DUEL), "duel.md")]
)
def test_the_worst_sample_comes_first_and_the_words_are_explained(text: str, file: str) -> None:
    assert (gold.FOLDER / file).read_text(encoding="utf-8") == text


def test_json_has_every_pass_and_fulfils_its_schema() -> None:
    text = duel_json(DUEL, SESSION)
    assert (gold.FOLDER / "duel.json").read_text(encoding="utf-8") == text
    schema = json.loads(
        files("pytest_hancock_latency.reporting").joinpath("duel.schema.json").read_text()
    )
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(text), schema)


def test_the_schema_describes_every_field() -> None:
    schema = json.loads(
        files("pytest_hancock_latency.reporting").joinpath("duel.schema.json").read_text()
    )
    plain = json.loads(duel_json(DUEL, SESSION))
    assert plain.keys() == schema["properties"].keys()
    assert plain["samples"][0].keys() == schema["$defs"]["sample"]["properties"].keys()


def test_the_page_has_each_pass_as_a_point() -> None:
    page = html.fromstring(duel_html(DUEL, SESSION))
    titles = [section.findtext("h2") for section in page.cssselect("#samples section")]
    assert [s.title for s in DUEL.worst_first] == titles
    first = page.cssselect("#samples section")[0]
    points = [point.findtext("title") for point in first.cssselect("circle")]
    assert [f"pass {n}: +10.0 %" for n in range(1, 9)] == points[:8]
    assert points[8] == "pass 9: +10.0 %, not counted"
    assert [h.text for h in page.cssselect("main > section h2")] == ["Not compared"]


def test_the_page_says_what_happened_to_the_duel() -> None:
    page = html.fromstring(duel_html(replace(DUEL, is_interrupted=True), SESSION))
    notes = [dt.getnext().text for dt in page.cssselect("dt") if dt.text == "note"]
    assert notes == [
        "interrupted after 8 passes: unsettled samples are inconclusive",
        "base was killed by SIGKILL",
    ]


def test_a_duel_without_a_known_interval_has_a_picture_too() -> None:
    page = html.fromstring(duel_html(replace(DUEL, samples=(ALLOWED,)), SESSION))
    assert len(page.cssselect("circle")) == 1
    assert page.cssselect(".band") == []


@pytest.mark.parametrize(
    ("settled", "text"),
    [
        (1, "pass 3: 1 of 5 samples settled, 7 s, about 12 s left"),
        (5, "pass 3: 5 of 5 samples settled, 7 s"),
    ],
)
def test_the_progress_says_how_long_it_still_takes(settled: int, text: str) -> None:
    assert text == progress_text(DuelProgress(3, settled, 5, 7.4, 12.4))


@pytest.mark.parametrize(
    ("options", "with_slower", "without"),
    [({}, 1, 0), ({"no_fail": True}, 0, 0), ({"strict": True}, 1, 3)],
)
def test_the_exit_code_shows_slower_samples_and_with_strict_inconclusive_ones(
    options: dict[str, bool], with_slower: int, without: int
) -> None:
    inconclusive = replace(DUEL, samples=(ALLOWED,))
    assert (with_slower, without) == (DUEL.exit_code(**options), inconclusive.exit_code(**options))


@pytest.mark.parametrize("no_fail", [False, True])
def test_an_interrupted_duel_ends_as_a_shell_expects(no_fail: bool) -> None:
    assert replace(DUEL, is_interrupted=True).exit_code(no_fail=no_fail) == 130
