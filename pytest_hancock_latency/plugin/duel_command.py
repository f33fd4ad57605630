"""``pytest --latency-duel=BASE``: compares two versions instead of running the tests once.

The same as ``hancock-latency duel BASE -- ARGUMENTS``, which has more options.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Final

import pytest

from ..duel.pytest_pass import opponents
from ..duel.tournament import fight
from ..errors import DuelError
from ..reporting.duel_report import duel_text, progress_text
from ..runs.duel import DuelProgress, DuelRule
from .settings import Mode, read_settings

SWITCH: Final = "--latency-duel"


def duel_instead(config: pytest.Config, base: str) -> int:
    """Run the duel and print its table; the exit code.

    Raises:
        UsageError: the two cannot be compared.
    """
    arguments = list(_others(config.invocation_params.args))
    settings = read_settings(config)
    rule = DuelRule()
    try:
        with opponents(base, arguments) as (run_pass, versions):
            duel = fight(run_pass, versions, rule, progress=_show)
    except DuelError as error:
        raise pytest.UsageError(str(error)) from None
    print(duel_text(duel), end="")
    return duel.exit_code(no_fail=settings.mode is not Mode.GATE, strict=settings.strict)


def _others(arguments: Sequence[object]) -> Iterator[str]:
    """All arguments but our own switch, which is one word or two."""
    words = iter(map(str, arguments))
    for word in words:
        if word == SWITCH:
            next(words, None)
        elif not word.startswith(f"{SWITCH}="):
            yield word


def _show(progress: DuelProgress) -> None:
    print(progress_text(progress), file=sys.stderr, flush=True)
