"""A Sphinx extension that writes what is made from code: command line, options and pictures.

They are written to `docs/generated/` before Sphinx reads its sources.
"""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import figures

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sphinx.application import Sphinx

FOLDER = Path(__file__).resolve().parent / "generated"
WIDTH = "100"
"""Columns of a help text, as in the code blocks of the other pages."""


def command_line() -> str:
    """Return the help of every command."""
    from pytest_hancock_latency.cli import command_parser

    parser = command_parser()
    lines = [
        "# Command line",
        "",
        "`hancock-latency` reads what tests, load tests and other tools measured, and compares "
        "versions. [Artifacts](../artifacts.md#the-command-line) shows examples with their output.",
        "",
        *_block(parser.format_help()),
    ]
    for name, command in sorted(_commands(parser)):
        lines += [f"## {name}", "", *_block(command.format_help())]
    return "\n".join(lines)


def options() -> str:
    """Return a table of the options of pytest."""
    from pytest_hancock_latency.plugin.options import OPTIONS

    lines = [
        "# Options of pytest",
        "",
        "Each option has an ini value and an environment variable of the same name. A marker is "
        "stronger than the command line, which is stronger than the environment, which is stronger "
        "than the ini file. [Reference](../reference.md#options) explains them.",
        "",
        "| option | meaning | ini value | environment |",
        "|---|---|---|---|",
    ]
    for option in OPTIONS:
        switch = f"{option.switch}={option.metavar}" if option.metavar else option.switch
        cells = (f"`{switch}`", option.help, f"`{option.key}`", f"`{option.variable}`")
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join([*lines, ""])


PAGES = {"command-line.md": command_line, "options.md": options}


def write(_app: Sphinx) -> None:
    """Write the pages that have changed: Sphinx reads a page again when its time changes."""
    os.environ["COLUMNS"] = WIDTH
    FOLDER.mkdir(exist_ok=True)
    for name, render in PAGES.items():
        path, text = FOLDER / name, render()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    list(figures.write(FOLDER))


def _commands(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.items()


def _block(text: str) -> list[str]:
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    return ["```text", plain.rstrip(), "```", ""]


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True}
