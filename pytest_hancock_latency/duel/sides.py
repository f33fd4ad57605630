"""The two sides of a duel: two versions of the code, each in a folder of its own.

    <temporary folder>/
        base/       a git worktree of BASE, a copy of a folder, or an installed version
        head/       a git worktree of HEAD with uncommitted changes, or what --head names
        base-env/, head-env/    virtual environments, if each side needs its own
        plugin/     this package, as if it were installed: it measures both sides
        lock        held as long as the duel runs: the next duel removes what a killed one left

Any difference between the sides apart from the code would not average out over passes. So their
paths are equally long, both have head's tests and pytest settings, and both are compiled before the
first pass. The folder is removed at the end, whatever ends the duel.
"""

from __future__ import annotations

import compileall
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version as version_of
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Final

from ..errors import DuelError
from .connection import DUEL_ORIGIN, DUEL_SOCKET
from .environments import PINNED, Environments, install_version, is_importable
from .run_duel import BASE, HEAD

PACKAGE: Final = Path(__file__).resolve().parents[1]
DISTRIBUTION: Final = "pytest-hancock-latency"
PLUGIN_FOLDER: Final = "plugin"
TEST_FOLDERS: Final = ("tests", "test", "testing", "benchmarks", "benchmark", "bench", "perf")
"""Folders that contain only tests."""
TEST_FILES: Final = ("test_*.py", "*_test.py", "conftest.py")
SETTINGS: Final = ("pytest.ini", ".pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg")
"""Files from which pytest reads its settings, and this plugin its named budgets."""
_NOT_COPIED: Final = (
    *(".git", ".hg", ".svn", "__pycache__", ".venv", "venv", ".tox", ".nox", "node_modules"),
    *(".mypy_cache", ".pytest_cache", ".ruff_cache"),
)
_OTHER_MODES: Final = ("HANCOCK_LATENCY_", "HANCOCK_PERF_ARTIFACT", "PYTEST_XDIST_")
"""Prefixes of variables that would make pytest write artifacts or take part in another session."""
_DISABLED_PLUGINS: Final = ("randomly", "rerunfailures", "cacheprovider")
"""Plugins that shuffle or repeat tests, or write files into the folders of the sides."""
_PREFIX: Final = "hancock-duel-"
_SITE: Final = "site"
"""Folder of an installed version, inside the folder of its side."""


@dataclass(frozen=True, slots=True)
class Side:
    """One version of the code, ready to be measured."""

    name: str
    """``base`` or ``head``."""
    version: str
    """Name in reports: a commit, a folder, or an installed version."""
    root: Path
    """Folder with its code."""
    cwd: Path
    """Where pytest is started: the same place inside the root as where the duel was."""
    python: Path
    """The interpreter that runs pytest."""
    python_path: str
    """Value of ``PYTHONPATH``."""
    origin: Path
    """The folder of the user, whose code neither side may import."""
    plugin_arguments: tuple[str, ...] = ()
    """Arguments of pytest that switch off plugins that would split, shuffle or repeat tests."""

    def command(self, arguments: Sequence[str]) -> list[str]:
        """Return the command that runs pytest on this side.

        Args:
            arguments: Arguments of pytest. Ours come after them, because the last one counts.
        """
        # -P: the working folder, which may contain another version of this package, is not first.
        pytest = [str(self.python), "-P", "-m", "pytest", "-p", "hancock_latency"]
        return [*pytest, *arguments, *self.plugin_arguments, "--latency=report"]

    def environment(self, environ: Mapping[str, str], hash_seed: int, fd: int) -> dict[str, str]:
        """Return the environment of its pytest process, of the same size for both sides.

        Args:
            environ: Environment of the duel.
            hash_seed: Seed of Python's hashes.
            fd: File descriptor of its end of the connection.
        """
        kept = {name: value for name, value in environ.items() if not name.startswith(_OTHER_MODES)}
        kept.pop("PYTHONDONTWRITEBYTECODE", None)
        return {
            **kept,
            "PWD": str(self.cwd),
            "PYTHONPATH": self.python_path,
            "PYTHONHASHSEED": f"{hash_seed:010d}",
            DUEL_SOCKET: f"{fd:05d}",
            DUEL_ORIGIN: str(self.origin),
        }


@contextmanager
def two_sides(
    base: str,
    arguments: Sequence[str],
    *,
    head: str | None = None,
    own_tests: bool = False,
    environments: Environments | None = None,
) -> Iterator[tuple[Side, Side]]:
    """Make both sides, and remove them at the end.

    Args:
        base: A commit, branch or tag of the repository that the working folder is in, a folder, or
            a released version such as ``package==1.4``.
        arguments: Arguments of pytest, which say where the tests are.
        head: The same as base; by default the working folder with uncommitted changes.
        own_tests: Whether base runs its own tests instead of head's.
        environments: How the sides get their packages; by default they share an environment unless
            their requirements differ.

    Returns:
        Base and head.

    Raises:
        DuelError: A version does not exist, or its packages cannot be installed.
    """
    for version in (base, head):
        if own_tests and version and PINNED.fullmatch(version):
            raise DuelError(f"{version} has no tests of its own: leave out --tests=own")
    here = Path.cwd().resolve()
    repository = _repository_of(here)
    origin = repository or here
    inside = here.relative_to(origin)
    with ExitStack() as stack:
        _remove_abandoned()
        temporary = TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True)
        folder = Path(stack.enter_context(temporary)).resolve()
        _hold_lock(stack, folder)
        _make_plugin_folder(folder / PLUGIN_FOLDER)
        versions = (
            _make_version(stack, base, folder / BASE, origin, is_repository=repository is not None),
            _make_version(stack, head, folder / HEAD, origin, is_repository=repository is not None),
        )
        pythons = _pythons(folder, inside, environments or Environments())
        if head and PINNED.fullmatch(head):
            _copy_tests(origin, folder / HEAD, inside, arguments)
        if not own_tests:
            _copy_tests(folder / HEAD, folder / BASE, inside, arguments)
        for name in (BASE, HEAD):
            compileall.compile_dir(folder / name, quiet=2, workers=1)
        sides = [
            Side(
                name=name,
                version=version,
                root=folder / name,
                cwd=folder / name / inside,
                python=python,
                plugin_arguments=tuple(_plugin_arguments(python)),
                python_path=_python_path(folder, folder / name, inside, origin),
                origin=origin,
            )
            for name, version, python in zip((BASE, HEAD), versions, pythons, strict=True)
        ]
        for side in sides:
            if not side.cwd.is_dir():
                raise DuelError(f"{side.name} ({side.version}) has no folder {inside}")
        yield sides[0], sides[1]


def _make_plugin_folder(folder: Path) -> None:
    """Make a folder in which this package looks installed, for environments that lack it."""
    info = folder / f"{PACKAGE.name}-{version_of(DISTRIBUTION)}.dist-info"
    info.mkdir(parents=True)
    (folder / PACKAGE.name).symlink_to(PACKAGE, target_is_directory=True)
    metadata = f"Metadata-Version: 2.1\nName: {DISTRIBUTION}\nVersion: {version_of(DISTRIBUTION)}\n"
    (info / "METADATA").write_text(metadata, encoding="utf-8")
    entry_point = f"[pytest11]\nhancock_latency = {PACKAGE.name}.plugin\n"
    (info / "entry_points.txt").write_text(entry_point, encoding="utf-8")


def _hold_lock(stack: ExitStack, folder: Path) -> None:
    """Hold a lock as long as the stack is open, which shows that a duel runs here."""
    import fcntl  # not on Windows, where `hancock-latency --help` has to work all the same

    lock_path = folder / "unlocked"
    lock = stack.enter_context(lock_path.open("w"))
    fcntl.flock(lock, fcntl.LOCK_EX)
    lock_path.rename(folder / "lock")  # only now, so that nobody sees it unlocked


def _remove_abandoned() -> None:
    """Remove the folders of killed duels: nobody holds their lock any more."""
    import fcntl

    for lock_path in Path(gettempdir()).glob(f"{_PREFIX}*/lock"):
        with suppress(OSError), lock_path.open("a") as lock:  # another user's, or gone already
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(lock_path.parent, ignore_errors=True)


def _plugin_arguments(python: Path) -> Iterator[str]:
    """Yield arguments about plugins. If xdist is there, `-n 4` may be in the project's settings."""
    for name in _DISABLED_PLUGINS:
        yield from ("-p", f"no:{name}")
    if is_importable(python, "xdist"):
        yield from ("-p", "xdist", "-n0")


def _pythons(folder: Path, inside: Path, environments: Environments) -> list[Path]:
    """Return the interpreters of base and head."""
    if not environments.are_separate([folder / name / inside for name in (BASE, HEAD)]):
        return [Path(sys.executable)] * 2
    return [
        environments.make(folder / f"{name}-env", folder / name / inside) for name in (BASE, HEAD)
    ]


def _repository_of(folder: Path) -> Path | None:
    top = _git(folder, "rev-parse", "--show-toplevel", check=False)
    return Path(top.strip()).resolve() if top.strip() else None


def _git(folder: Path, *arguments: str, check: bool = True) -> str:
    command = ["git", "-C", str(folder), *arguments]
    try:
        # A session of its own: Ctrl-C ends the duel, and not the git that cleans up after it.
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, start_new_session=True
        )
    except FileNotFoundError:
        if not check:
            return ""
        raise DuelError("a duel of commits needs git, which is not installed") from None
    if done.returncode and check:
        why = (done.stderr.strip().splitlines() or ["it failed"])[-1]
        raise DuelError(f"git {arguments[0]}: {why}")
    return done.stdout if not done.returncode else ""


def _make_version(
    stack: ExitStack, version: str | None, target: Path, origin: Path, *, is_repository: bool
) -> str:
    """Put a version into a folder; return its name in reports."""
    if version is None:
        if not is_repository:
            _copy_folder(origin, target)
            return str(origin)
        commit = _commit_of("HEAD", origin)
        if not commit:
            raise DuelError(f"the repository {origin} has no commit yet")
        name = _worktree(stack, "HEAD", commit, target, origin)
        changed = _copy_changes(origin, target)
        files = f"{changed} changed file{'s' * (changed > 1)}"
        return f"{name} with {files}" if changed else name
    if PINNED.fullmatch(version):
        install_version(version, target / _SITE)
        return version
    if is_repository and (commit := _commit_of(version, origin)):
        return _worktree(stack, version, commit, target, origin)
    if not Path(version).is_dir():
        if is_repository:
            where = f"a commit, branch or tag of the repository {origin}, a folder"
        else:
            where = f"a folder (and {origin} is not in a git repository)"
        raise DuelError(f"{version!r} is not {where}, or a version such as package==1.4")
    _copy_folder(Path(version).resolve(), target)
    return str(Path(version))


def _commit_of(version: str, origin: Path) -> str:
    """Return the id of a commit, branch or tag; empty if there is none of this name."""
    options = ("--verify", "--quiet", "--end-of-options", f"{version}^{{commit}}")
    return _git(origin, "rev-parse", *options, check=False).strip()


def _worktree(stack: ExitStack, version: str, commit: str, target: Path, origin: Path) -> str:
    stack.callback(_git, origin, "worktree", "prune", check=False)
    stack.callback(shutil.rmtree, target, ignore_errors=True)
    _git(origin, "worktree", "add", "--detach", "--force", str(target), commit)
    return commit[:9] if version == commit else f"{version} ({commit[:9]})"


def _copy_changes(origin: Path, target: Path) -> int:
    """Copy uncommitted changes, except what git ignores; return the number of changed files."""
    changed = _git(origin, "diff", "--name-only", "-z", "--no-renames", "HEAD")
    untracked = _git(origin, "ls-files", "--others", "--exclude-standard", "-z")
    names = [name for name in (changed + untracked).split("\0") if name]
    for name in names:
        source = origin / name
        if source.is_dir():  # another repository
            continue
        if source.exists():
            _replace(source, target / name)
        else:
            (target / name).unlink(missing_ok=True)
    return len(names)


def _copy_folder(source: Path, target: Path) -> None:
    shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns(*_NOT_COPIED))


def _copy_tests(source: Path, target: Path, inside: Path, arguments: Sequence[str]) -> None:
    """Copy tests and pytest's settings from one side to the other."""
    named = [argument.partition("::")[0] for argument in arguments]
    paths = [inside / name for name in named if name and (source / inside / name).exists()]
    paths = [path for path in paths if not path.is_absolute() and ".." not in path.parts]
    for path in paths or _test_folders(source, inside):
        for test_path in _paths_of_tests(source, path):
            _replace(source / test_path, target / test_path)
        for parent in (path, *path.parents):
            for name in (*SETTINGS, "conftest.py"):
                _replace(source / parent / name, target / parent / name)


def _test_folders(source: Path, inside: Path) -> list[Path]:
    """Return where tests are, if no argument says so."""
    here = source / inside
    folders = [inside / name for name in TEST_FOLDERS if (here / name).is_dir()]
    return folders or [inside]


def _paths_of_tests(source: Path, path: Path) -> list[Path]:
    """Return the folder or the files that belong to the tests at a path."""
    for parent in reversed((path, *path.parents)):
        if parent.name in TEST_FOLDERS and (source / parent).is_dir():
            return [parent]
    if (source / path).is_file():
        return [path]
    found = (file for pattern in TEST_FILES for file in (source / path).rglob(pattern))
    return [file.relative_to(source) for file in found]


def _replace(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.rmtree(target, ignore_errors=True)
        _copy_folder(source, target)
    elif source.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)


def _python_path(folder: Path, root: Path, inside: Path, origin: Path) -> str:
    """Return where a side imports from: this package, then its code where the user's is found."""
    searched = [Path(entry).resolve() for entry in sys.path if entry]
    imported_from = [
        path.relative_to(origin)
        for path in searched
        if path.is_relative_to(origin)
        and not path.is_relative_to(sys.prefix)  # a virtual environment inside the project
        and path != PACKAGE.parent
    ]
    candidates = (Path(_SITE), inside, inside / "src", Path(), Path("src"), *imported_from)
    places = dict.fromkeys([folder / PLUGIN_FOLDER, *(root / path for path in candidates)])
    outside = [
        entry
        for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep)
        if entry and not Path(entry).resolve().is_relative_to(origin)
    ]
    return os.pathsep.join([*map(str, places), *outside])
