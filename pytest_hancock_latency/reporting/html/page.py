"""The whole page: what was measured where, the overview, and every sample."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from ...core.record import Record
from ..json_artifact import Artifact
from ..packaged import packaged
from ..table import count_line
from .markup import Element, element, html_text
from .overview import anchor, badge, by_weight, overview
from .sample_section import sample_section

_OPEN_AT_MOST: Final = 12
"""More samples than this are closed at first, unless they are not within."""
_OUTCOMES: Final = ("exceeded", "inconclusive", "not judged", "within")


def report_html(
    records: Sequence[Record],
    session: Mapping[str, Any] | None = None,
    baseline: Artifact | None = None,
) -> str:
    """The report as one HTML document that needs nothing else.

    session: what an artifact says beside its samples. baseline: an earlier artifact, whose samples
    are shown beside those of the same title.
    """
    ordered = by_weight(records)
    earlier = {record.title: record for record in baseline.records} if baseline else {}
    sections = [
        sample_section(
            record,
            anchor(at),
            earlier.get(record.title),
            shown=len(ordered) <= _OPEN_AT_MOST or record.outcome in _OUTCOMES[:2],
        )
        for at, record in enumerate(ordered)
    ]
    return html_text(
        element(
            "html",
            _head(ordered),
            element(
                "body",
                element("a", "Skip to the samples", href="#samples", class_="skip"),
                _header(ordered, session or {}, baseline.session if baseline else {}),
                element(
                    "main",
                    _finder() if len(ordered) > _OPEN_AT_MOST else None,
                    overview(ordered, earlier) if ordered else None,
                    element("div", *sections, id="samples", tabindex="-1"),
                ),
                element("script", packaged("html/script.js")),
            ),
            lang="en",
        )
    )


def _head(records: Sequence[Record]) -> Element:
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"Latency budgets: {count_line(records) or 'no sample'}"),
        element("style", packaged("html/style.css")),
    )


def _header(
    records: Sequence[Record], session: Mapping[str, Any], before: Mapping[str, Any]
) -> Element:
    counts = {o: sum(record.outcome == o for record in records) for o in _OUTCOMES}
    badges = [
        element("li", element("strong", str(count)), " ", badge(outcome))
        for outcome, count in counts.items()
        if count
    ]
    facts = [
        part
        for name, text in (*_facts(session), *_baseline(session, before))
        for part in (element("dt", name), element("dd", text))
    ]
    return element(
        "header",
        element("h1", "Latency budgets"),
        element("ul", *badges, class_="counts") if badges else element("p", "no sample"),
        element("dl", *facts) if facts else None,
    )


def _facts(session: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is known about the session, each as a name and a text."""
    started = session.get("started_unix_s")
    if isinstance(started, int | float):
        yield "measured", f"{datetime.fromtimestamp(started, UTC):%Y-%m-%d %H:%M:%S} UTC"
    commit = session.get("commit")
    if isinstance(commit, Mapping) and commit.get("id"):
        yield "commit", " ".join(_commit(commit))
    run = session.get("ci")
    if isinstance(run, Mapping) and run.get("provider"):
        yield "run", " ".join(str(run[k]) for k in ("provider", "run_url") if run.get(k))
    machine = session.get("machine")
    if isinstance(machine, Mapping):
        yield "machine", ", ".join(_machine(machine))
    profile = session.get("profile")
    if isinstance(profile, Mapping) and profile.get("name"):
        yield "profile", f"{profile['name']}: {'met' if profile.get('met') else 'not met'}"


def _baseline(session: Mapping[str, Any], before: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """When and what the baseline measured, and whether on a machine of the same kind."""
    known = dict(_facts(before))
    told = [known[name] for name in ("measured", "commit") if name in known]
    if told:
        yield "baseline", ", ".join(told)
    kinds = [_kind(each.get("machine")) for each in (session, before)]
    if all(kinds) and kinds[0] != kinds[1]:
        yield "but", "the baseline was measured on another kind of machine: " + ", ".join(kinds[1])


def _kind(machine: object) -> tuple[str, ...]:
    """What two machines must have in common for their latencies to be compared."""
    if not isinstance(machine, Mapping):
        return ()
    known = (machine.get("cpu"), machine.get("cores"), machine.get("python"))
    texts = (str(known[0] or ""), f"{known[1]} cores", f"Python {known[2]}")
    return tuple(text for text, fact in zip(texts, known, strict=True) if fact)


def _commit(commit: Mapping[str, Any]) -> Iterator[str]:
    yield str(commit["id"])[:12]
    if commit.get("branch"):
        yield f"on {commit['branch']}"
    if commit.get("dirty"):
        yield "with changes that are not committed"


def _machine(machine: Mapping[str, Any]) -> Iterator[str]:
    if machine.get("cpu"):
        yield str(machine["cpu"])
    if machine.get("cores"):
        yield "1 core" if machine["cores"] == 1 else f"{machine['cores']} cores"
    if isinstance(machine.get("memory_bytes"), int):
        yield f"{machine['memory_bytes'] / 2**30:.1f} GiB"
    if machine.get("python"):
        yield f"Python {machine['python']}"
    if machine.get("kernel"):
        yield f"{machine.get('system', '')} {machine['kernel']}".strip()
    load = machine.get("load")
    if isinstance(load, list | tuple) and load:
        yield f"load {load[0]} at the start"


def _finder() -> Element:
    return element(
        "p",
        element("label", "Find a sample ", element("input", type="search", id="finder")),
        element("span", "", id="found", role="status"),
        class_="finder",
    )
