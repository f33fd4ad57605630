"""``pytest --latency-duel=BASE``: compares two versions instead of running the tests once.

The same as ``hancock-latency duel BASE -- ARGUMENTS``, which has more options.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Final

import pytest

from ..duel.pytest_pass import prepare_versions
from ..duel.run_duel import run_duel
from ..errors import DuelError
from ..reporting.duel_report import duel_text, progress_text
from ..runs.duel import DuelProgress, DuelRule
from .settings import Mode, read_settings

SWITCH: Final = "--latency-duel"


def duel_instead(config: pytest.Config, base: str) -> int:
    """Run the duel, print its table and return the exit code.

    Args:
        config: the configuration of the session that is not run.
        base: the version to compare with.

    Raises:
        UsageError: the versions cannot be compared.
    """
    arguments = list(_without_switch(config.invocation_params.args))
    settings = read_settings(config)
    if settings.slowdown:
        raise pytest.UsageError(
            "--latency-slowdown is about one version: leave it out, or --latency-duel"
        )
    rule = DuelRule()
    try:
        with prepare_versions(base, arguments) as (run_pass, versions):
            duel = run_duel(run_pass, versions, rule, progress=_show)
    except DuelError as error:
        raise pytest.UsageError(str(error)) from None
    print(duel_text(duel), end="")
    return duel.exit_code(no_fail=settings.mode is not Mode.GATE, strict=settings.strict)


def _without_switch(arguments: Sequence[object]) -> Iterator[str]:
    """Yield all arguments except our own switch, which is one word or two."""
    words = iter(map(str, arguments))
    for word in words:
        if word == SWITCH:
            next(words, None)
        elif not word.startswith(f"{SWITCH}="):
            yield word


def _show(progress: DuelProgress) -> None:
    print(progress_text(progress), file=sys.stderr, flush=True)
