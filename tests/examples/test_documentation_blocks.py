"""Every block of every page is what its language takes, and what can be run is run.

Pages with tests of their own: recipes.md, moving.md, ci.md, artifacts.md.
"""

from __future__ import annotations

import ast
import re
import shlex
import textwrap
import tomllib
from pathlib import Path

import pytest

from pytest_hancock_latency.cli import command_parser
from pytest_hancock_latency.cli.duel import split_arguments
from pytest_hancock_latency.plugin.options import OPTIONS

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES = [page for page in PAGES if "generated" not in page.parts]
OURS = {option.switch for option in OPTIONS} | {"--latency-duel"}
CLIENT = """
import pytest
from flask import Flask

@pytest.fixture
def client():
    app = Flask(__name__)
    app.get("/health", endpoint="health")(lambda: {"status": "ok"})
    app.get("/report", endpoint="report")(lambda: {"rows": 3})
    return app.test_client()
"""
TYPICAL = "from pytest_hancock_latency import Sampler, latency_budget\n"


def blocks(page: Path, language: str) -> list[str]:
    text = page.read_text(encoding="utf-8")
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```", text, re.DOTALL | re.MULTILINE)
    return [textwrap.dedent(block) for _, block in found]


def each(language: str) -> list[pytest.ParameterSet]:
    return [
        pytest.param(block, id=f"{page.relative_to(ROOT)}-{number}")
        for page in PAGES
        for number, block in enumerate(blocks(page, language), 1)
    ]


def commands(program: str) -> list[pytest.ParameterSet]:
    """Commands of a program in console blocks, and in blocks that are only indented."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8").replace("\\\n", " ")
        lines = re.findall(rf"^(?:\$ |    ){program} (.*)$", text, re.MULTILINE)
        found += [
            pytest.param(line, id=f"{page.relative_to(ROOT)}: {line[:50]}")
            for line in dict.fromkeys(lines)
        ]
    return found


@pytest.mark.parametrize("block", each("python"))
def test_every_python_block_is_python(block: str) -> None:
    compile(block, "block", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST)


@pytest.mark.parametrize("block", each("toml"))
def test_every_toml_block_is_toml(block: str) -> None:
    assert tomllib.loads(block)


@pytest.mark.parametrize("line", commands("hancock-latency"))
def test_every_command_of_ours_can_be_read(line: str) -> None:
    ours, _ = split_arguments(shlex.split(line, comments=True))
    command_parser().parse_args(ours)


@pytest.mark.parametrize("line", commands("pytest"))
def test_every_option_of_ours_exists(line: str) -> None:
    words = [word.partition("=")[0] for word in shlex.split(line, comments=True)]
    used = {word for word in words if word.startswith("--latency")}
    assert set() == used - OURS


@pytest.fixture(autouse=True)
def no_other_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


def passes(pytester: pytest.Pytester, count: int, *options: str) -> None:
    """Run all files, with limits far above what a busy machine takes."""
    result = pytester.runpytest_subprocess("-p", "hancock_latency", "--latency-scale=100", *options)
    result.assert_outcomes(passed=count)
    result.stdout.fnmatch_lines([f"{count} within *"])


def test_the_tutorial_runs_as_it_stands(pytester: pytest.Pytester) -> None:
    page = ROOT / "docs/tutorial.md"
    search, api, whole, named = blocks(page, "python")
    (budgets,) = blocks(page, "toml")
    pytester.makepyfile(
        test_search=search,
        test_api=f"{api}\n\n{whole}",
        test_named=f"{api}\n\n{named}",
    )
    pytester.makepyprojecttoml(budgets)
    passes(pytester, 4)


def test_the_first_block_of_the_site_runs(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CLIENT)
    pytester.makepyfile(test_it=blocks(ROOT / "docs/index.md", "python")[0])
    passes(pytester, 1)


def test_the_burst_of_a_slow_endpoint_runs(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CLIENT)
    (block,) = blocks(ROOT / "docs/howto/slow-endpoints.md", "python")
    pytester.makepyfile(test_it=TYPICAL + block)
    passes(pytester, 1)


def test_the_streams_run(pytester: pytest.Pytester) -> None:
    for name in ("httpx", "fastapi", "uvicorn"):
        pytest.importorskip(name)
    chat, server, words, marks = blocks(ROOT / "docs/howto/streams.md", "python")
    pytester.makeconftest(server)
    pytester.makepyfile(test_it="\n\n".join((TYPICAL, chat, words, marks)))
    result = pytester.runpytest_subprocess("-p", "hancock_latency", "--latency-scale=100")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["*test_chat [[]first]*within", "*test_load [[]read]*within"])


def test_the_repeated_burst_runs(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        CLIENT.replace("def client", "def app").replace("app.test_client()", "app")
        + """
class Limiter:
    def reset(self): ...

@pytest.fixture
def limiter():
    return Limiter()
"""
    )
    (block,) = blocks(ROOT / "docs/howto/bursts.md", "python")
    pytester.makepyfile(
        test_it=TYPICAL + block.replace("requests=120", "requests=12").replace("120 *", "12 *")
    )
    passes(pytester, 1)


def test_the_coroutine_runs(pytester: pytest.Pytester) -> None:
    pytest.importorskip("pytest_asyncio")
    (block,) = blocks(ROOT / "docs/howto/async.md", "python")
    pytester.makepyfile(test_it=block)
    passes(pytester, 1, "-p", "pytest_asyncio.plugin", "-o", "asyncio_mode=strict")
