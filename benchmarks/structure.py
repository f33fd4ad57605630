"""How the code is cut: files, slivers, vague names, untested modules, functions, changed lines.

    python benchmarks/structure.py [--at REV] [--against REV] [--names] [--check] [--json FILE]

Reads both packages and the names of the tests, in the working tree or at a git revision.

A sliver is a file under 40 lines with at most one importer in the packages: too small to stand by
itself, and no other file uses it. A vague name is a variable, parameter or attribute whose whole
name is a participle or a pronoun. A module has a test of its name where some `test_NAME*.py` has
its name or that of a folder it is in. Added and deleted lines are those of `git diff --numstat`
since --against, without files that git does not track.
"""

from __future__ import annotations

import argparse
import ast
import io
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from statistics import median
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent))

from goals import at_most, conclude, parser

ROOT: Final = Path(__file__).resolve().parents[1]
PACKAGES: Final = ("pytest_hancock_latency", "hancock_app")
TESTS: Final = "tests"
SLIVER_LINES: Final = 40
MOST_SLIVERS: Final = 4
MOST_VAGUE_PERCENT: Final = 1.0
NAMES_SHOWN: Final = 15
# They name what happened to a value, or point at it, and a reader has to look up what it is. Only
# participles that fit any value are here: `encoded` or `measured` narrow it down, `seen` does not.
# Words that are nouns as well (run, cut, set, rest, left) are not here, nor is `now`, the clock's.
PARTICIPLES: Final = """
    asked begun brought called came caught chosen done drawn found given gone got had heard held
    kept known let made meant met named needed put ran said seen sent shown spent taken thought told
    tried used wanted went written
"""
PRONOUNS: Final = """
    all another any anyone anything both each either every everyone everything few he her him his
    it its least less many mine more most neither nobody none nothing one ones other others ours
    she some someone something such that theirs them these they this those what whatever which
    who whom whose yours
"""
FILLERS: Final = "res ret stuff thing things tmp val vals"
VAGUE: Final = frozenset(f"{PARTICIPLES} {PRONOUNS} {FILLERS}".split())


@dataclass(frozen=True)
class Module:
    """A source file of a package."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, filename=self.path)

    @property
    def line_count(self) -> int:
        return len(self.text.splitlines())

    @property
    def name(self) -> str:
        """The dotted name by which it is imported."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def is_marked(self) -> bool:
        """Whether it is `__init__` or `__main__`, whose name and size Python's rules explain."""
        return PurePosixPath(self.path).stem in ("__init__", "__main__")

    def imports(self) -> Iterator[str]:
        """Every dotted name that an import names, inside functions as well."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = self._base(node)
                yield base
                yield from (f"{base}.{alias.name}" for alias in node.names)

    def _base(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        folders = PurePosixPath(self.path).parts[:-1]
        above = folders[: len(folders) - node.level + 1]
        return ".".join([*above, *filter(None, [node.module])])


def sources(revision: str | None) -> dict[str, str]:
    """Text by path of all Python files in the packages and the tests."""
    texts = _working_tree() if revision is None else _archived(revision)
    return {path: text for path, text in sorted(texts) if path.split("/")[0] in (*PACKAGES, TESTS)}


def _working_tree() -> Iterator[tuple[str, str]]:
    for folder in (*PACKAGES, TESTS):
        for path in (ROOT / folder).rglob("*.py"):
            yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")


def _archived(revision: str) -> Iterator[tuple[str, str]]:
    with tarfile.open(fileobj=io.BytesIO(_git("archive", "--format=tar", revision))) as archive:
        for member in archive:
            content = archive.extractfile(member) if member.name.endswith(".py") else None
            if content is not None:
                yield member.name, content.read().decode("utf-8")


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True).stdout


def modules_of(texts: Mapping[str, str]) -> list[Module]:
    """The source files of the packages."""
    return [Module(path, text) for path, text in texts.items() if not path.startswith(f"{TESTS}/")]


def slivers(modules: list[Module]) -> list[str]:
    """The paths of small files with at most one importer."""
    importers: Counter[str] = Counter()
    for module in modules:
        importers.update(set(module.imports()) - {module.name})
    return [
        module.path
        for module in modules
        if module.line_count < SLIVER_LINES and not module.is_marked and importers[module.name] <= 1
    ]


def stored_names(module: Module) -> Iterator[tuple[str, int]]:
    """Name and line of each variable, parameter and attribute that is bound, fields included.

    Parameters of special methods are left out: `other` is the convention of Python there.
    """
    conventional = set(_special_parameters(module.tree))
    for node in ast.walk(module.tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name, node.lineno
            case ast.arg(arg=name) if node not in conventional:
                yield name, node.lineno
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
                yield name, node.lineno
            case ast.MatchStar(name=str(name)):
                yield name, node.lineno


def _special_parameters(tree: ast.Module) -> Iterator[ast.arg]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("__"):
            yield from node.args.args


def is_vague(name: str) -> bool:
    """Whether the whole name, without underscores around it, is a vague word."""
    return name.strip("_").lower() in VAGUE


def untested(texts: Mapping[str, str]) -> list[str]:
    """The paths of modules that no test file has the name of, nor of a folder they are in."""
    stems = [PurePosixPath(path).stem for path in texts if path.startswith(f"{TESTS}/")]
    without = []
    for module in modules_of(texts):
        named = [part.strip("_") for part in module.name.split(".")[1:]]
        covered = any(stem.startswith(f"test_{name}") for stem in stems for name in named)
        if not covered and not module.is_marked:
            without.append(module.path)
    return without


def function_lines(modules: list[Module]) -> list[int]:
    """The lines of each function from its def on, ascending."""
    return sorted(
        (node.end_lineno or node.lineno) - node.lineno + 1
        for module in modules
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def figures_of(texts: Mapping[str, str]) -> dict[str, Any]:
    """All figures of one state of the code."""
    modules = modules_of(texts)
    names = [(m.path, line, name) for m in modules for name, line in stored_names(m)]
    vague = [place for place in names if is_vague(place[2])]
    lengths = function_lines(modules)
    return {
        "files": len(modules),
        "lines": sum(module.line_count for module in modules),
        "lines a file, median": median(module.line_count for module in modules),
        "slivers": slivers(modules),
        "names": len(names),
        "vague names": [f"{path}:{line} {name}" for path, line, name in vague],
        "vague names, %": round(100 * len(vague) / len(names), 2),
        "most frequent vague names": dict(
            Counter(name.strip("_") for _, _, name in vague).most_common(NAMES_SHOWN)
        ),
        "modules without a test of their name": untested(texts),
        "functions": len(lengths),
        "lines a function, median": median(lengths),
        "lines a function, 90th percentile": lengths[-(-9 * len(lengths) // 10) - 1],
    }


def changed_lines(against: str, revision: str | None) -> dict[str, tuple[int, int]]:
    """Lines added and deleted since a revision: in the packages, in the tests, and anywhere."""
    added: Counter[str] = Counter()
    deleted: Counter[str] = Counter()
    revisions = [against] if revision is None else [against, revision]
    for row in _git("diff", "--numstat", "--no-renames", *revisions).decode().splitlines():
        added_count, deleted_count, path = row.split("\t")
        if added_count == "-":  # a binary file
            continue
        folder = path.split("/")[0]
        for part in ("packages" if folder in PACKAGES else folder, "anywhere"):
            added[part] += int(added_count)
            deleted[part] += int(deleted_count)
    return {part: (added[part], deleted[part]) for part in ("packages", TESTS, "anywhere")}


def print_columns(titles: list[str | None], columns: list[dict[str, Any]]) -> None:
    """One row for each figure: the number itself, or the length of a list."""
    print(f"{'':<38}" + "".join(f"{title:>16}" for title in filter(None, titles)))
    for key, figure in columns[0].items():
        if not isinstance(figure, dict):
            row = [column[key] for column in columns]
            cells = [len(cell) if isinstance(cell, list) else cell for cell in row]
            print(f"{key:<38}" + "".join(f"{cell:>16}" for cell in cells))


def print_lists(figures: Mapping[str, Any], with_places: bool) -> None:
    """The slivers, the modules without a test, and the vague names, by name."""
    for key in ("slivers", "modules without a test of their name"):
        print("\n    ".join([f"\n{key}: {len(figures[key])}", *figures[key]]))
    frequent = figures["most frequent vague names"].items()
    print(f"\nvague names: {', '.join(f'{name} {count}' for name, count in frequent) or 'none'}")
    if with_places:
        print("\n".join(figures["vague names"]))


def chosen_options() -> argparse.Namespace:
    """The options of the command line."""
    options = parser(__doc__)
    options.add_argument("--at", metavar="REV", help="measure this revision, not the working tree")
    options.add_argument("--against", metavar="REV", help="a second column, and changed lines")
    options.add_argument("--names", action="store_true", help="every place of a vague name")
    return options.parse_args()


def main() -> int:
    """Measure, print, judge; the exit code."""
    chosen = chosen_options()
    try:
        measured = figures_of(sources(chosen.at))
        figures = {"measured": measured}
        changed = {}
        if chosen.against:
            figures["against"] = figures_of(sources(chosen.against))
            changed = changed_lines(chosen.against, chosen.at)
    except subprocess.CalledProcessError as error:
        print(f"structure: {error.stderr.decode().strip().splitlines()[0]}", file=sys.stderr)
        return 2
    print_columns([chosen.at or "working tree", chosen.against], [*figures.values()])
    for part, (added, deleted) in changed.items():
        print(f"{f'changed lines, {part}':<38}{f'+{added} −{deleted}':>16}")
    print_lists(measured, chosen.names)
    goals = [
        at_most("slivers", len(measured["slivers"]), MOST_SLIVERS),
        at_most("vague names, %", measured["vague names, %"], MOST_VAGUE_PERCENT),
    ]
    return conclude("structure", {**figures, "changed": changed}, goals, chosen)


if __name__ == "__main__":
    sys.exit(main())
