"""What is known about a session, each fact as a name and a text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...core.baseline import other_machine
from ..sessions import commit_text, moment, when_and_what
from ..wording import scale_lines, scale_of


def facts(session: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is known about the session, each as a name and a text."""
    if started := moment(session.get("started_unix_s")):
        yield "measured", started
    if commit := commit_text(session):
        yield "commit", commit
    run = session.get("ci")
    if isinstance(run, Mapping) and run.get("provider"):
        yield "run", " ".join(str(run[k]) for k in ("provider", "run_url") if run.get(k))
    machine = session.get("machine")
    if isinstance(machine, Mapping):
        yield "machine", ", ".join(_machine(machine))
    profile = session.get("profile")
    if isinstance(profile, Mapping) and profile.get("name"):
        yield "profile", f"{profile['name']}: {'met' if profile.get('met') else 'not met'}"
    for line in scale_lines(scale_of(session)):
        yield "limits", line
    run_of_locust = session.get("locust")
    if isinstance(run_of_locust, Mapping):
        yield from _load(run_of_locust)
    parts = session.get("merged_from")
    if isinstance(parts, Sequence) and not isinstance(parts, str):
        files = [str(part.get("file")) for part in parts if isinstance(part, Mapping)]
        yield "merged from", ", ".join(files)


def facts_of_baseline(
    session: Mapping[str, Any], before: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """When and what the baseline measured, and whether on a machine of the same kind."""
    if text := when_and_what(before):
        yield "baseline", text
    if machine := other_machine(session, before):
        yield "but", "the baseline was measured on another kind of machine: " + ", ".join(machine)


def _load(run: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Who asked whom, and what became of the processes that did."""
    classes = ", ".join(map(str, _listed(run, "user_classes")))
    yield "load", f"{run.get('users')} users ({classes}) asking {run.get('host')}"
    participants = [
        participant
        for participant in _listed(run, "participants")
        if isinstance(participant, Mapping)
    ]
    if participants:
        yield "made by", "; ".join(_participant(participant) for participant in participants)


def _listed(run: Mapping[str, Any], name: str) -> Sequence[Any]:
    value = run.get(name)
    return value if isinstance(value, list | tuple) else ()


def _participant(participant: Mapping[str, Any]) -> str:
    late = f", joined after {participant.get('joined_s')} s" if participant.get("late") else ""
    requests, state = participant.get("requests"), participant.get("state")
    return f"{participant.get('id')}: {requests} requests, {state}{late}"


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
