"""Artifacts on disk: reading and writing them, and the journal of a running session.

While a session runs, each finished record is a line in a journal next to the JSON artifact. A
session that is killed leaves the journal, which all readers here accept in place of the artifact.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ..core.record import Artifact
from ..errors import ArtifactError, LatencyError
from ..reporting.json_artifact import artifact_in, journal_in
from ..reporting.sessions import slowed_by
from ..reporting.writer import append, check_writable, is_written_once, write_whole
from .input import read_input
from .kinds import KINDS

_JOURNAL = ".journal"
_JSON = ".json"


def journal_path(artifact: Path) -> Path:
    """Return the path of the journal of a JSON artifact."""
    return artifact.with_name(artifact.name + _JOURNAL)


def read_unslowed(path: Path) -> Artifact:
    """Read an artifact whose latencies are those of the code.

    Raises:
        ArtifactError: as of `read_artifact`, or all calls were slowed down on purpose.
    """
    return unslowed(read_artifact(path), path)


def unslowed(artifact: Artifact, path: Path) -> Artifact:
    """Return an artifact whose latencies are those of the code.

    Raises:
        ArtifactError: all calls were slowed down on purpose.
    """
    if slowdown := slowed_by(artifact.session):
        raise ArtifactError(
            f"{path} was measured with --latency-slowdown={100 * slowdown:g}%: its latencies are "
            "not those of the code"
        )
    return artifact


def read_artifact(path: Path) -> Artifact:
    """Read the artifact in a file, or the journal of a session that was killed.

    Args:
        path: the file, or a folder with a performance-latency.json.

    Raises:
        ArtifactError: the file cannot be read, is not an artifact, or is damaged; the text is one
            line that starts with its path.
    """
    source = artifact_source(path)
    return artifact_of(read_input(source, ArtifactError), source)


def artifact_source(path: Path) -> Path:
    """Return the file to read: for a folder its artifact; the journal if it is not older."""
    if os.path.isdir(path):
        path = path / KINDS["json"].file_name
    journal = journal_path(path)
    with suppress(OSError):
        if not path.exists() or path.stat().st_mtime_ns <= journal.stat().st_mtime_ns:
            return journal if journal.is_file() else path
    return path


def artifacts_in(path: Path) -> list[Path]:
    """Return the artifacts that a path on the command line refers to; a file is itself one.

    A folder stands for its performance-latency.json. Without that file, as in a folder of shards,
    it stands for all JSON files in it and the performance-latency.json of its subfolders, by name.

    Raises:
        ArtifactError: the folder has none of these.
    """
    usual = KINDS["json"].file_name
    if not os.path.isdir(path) or _is_there(path / usual):
        return [path]
    try:
        names = {entry.name.removesuffix(_JOURNAL) for entry in path.iterdir()}
    except OSError as error:
        raise ArtifactError(f"{path}: {error.strerror}") from None
    artifacts = [path / name for name in names if name.endswith(_JSON) and _is_there(path / name)]
    artifacts += [path / name / usual for name in names if _is_there(path / name / usual)]
    if not artifacts:
        raise ArtifactError(
            f"{path}: no artifacts found: expected {usual}, other JSON files, "
            f"or folders with {usual}"
        )
    return sorted(artifacts)


def _is_there(artifact: Path) -> bool:
    return artifact.is_file() or journal_path(artifact).is_file()


def artifact_of(content: bytes, source: Path) -> Artifact:
    """Parse the content of an artifact file.

    Raises:
        ArtifactError: it is not an artifact, or is damaged; the text starts with the path.
    """
    try:
        return journal_in(content) if source.name.endswith(_JOURNAL) else artifact_in(content)
    except ArtifactError as error:
        raise ArtifactError(f"{source} {error}") from None


def check_artifacts(paths: Mapping[str, Path]) -> None:
    """Check that all artifacts can be written.

    Raises:
        LatencyError: one cannot be written; the text names it.
    """
    for path in paths.values():
        try:
            check_writable(path)
        except OSError as error:
            raise LatencyError(
                f"cannot write the latency artifact {path}: {error.strerror}"
            ) from None


@dataclass(slots=True)
class ArtifactWriter:
    """Writes artifacts, and remembers failures until they succeed.

    A failure affects neither the other artifacts nor the run.
    """

    unwritable: dict[Path, str] = field(default_factory=dict)
    """Files that could not be written, with the system's reason."""
    unrendered: dict[Path, str] = field(default_factory=dict)
    """Files whose renderer failed, with the exception."""
    _last: dict[Path, str] = field(default_factory=dict)
    """The latest text for each pipe and device, which are written only once."""

    def write(self, path: Path, render: Callable[[], str]) -> None:
        """Write an artifact atomically; for a pipe or a device, keep the text until `finish`."""
        self.unwritable.pop(path, None)
        self.unrendered.pop(path, None)
        try:
            text = render()
        except Exception as error:
            reason = " ".join(str(error).split())
            self.unrendered[path] = ": ".join(filter(None, (type(error).__name__, reason)))
            return
        if is_written_once(path):
            self._last[path] = text
            return
        self._write(path, text)

    def finish(self) -> None:
        """Write the latest texts to pipes and devices; call it last."""
        for path, text in self._last.items():
            self._write(path, text)
        self._last.clear()

    def _write(self, path: Path, text: str) -> None:
        try:
            write_whole(path, text)
        except OSError as error:
            self.unwritable[path] = error.strerror or str(error)

    @property
    def error_lines(self) -> list[str]:
        """Return one line for each file that failed."""
        lines = [f"ERROR: cannot write {path}: {why}" for path, why in self.unwritable.items()]
        lines += [f"ERROR: cannot render {path}: {why}" for path, why in self.unrendered.items()]
        return lines


class Journal:
    """The records of a session so far, in an append-only file; none next to a device."""

    def __init__(self, artifact: Path) -> None:
        self._path = journal_path(artifact)
        self._is_kept = not is_written_once(artifact)
        self._lines: list[str] = []
        self._size = 0
        """Expected size of the file in bytes, unless another process changed it."""

    def append(self, lines: Sequence[str], header: Callable[[], str]) -> None:
        """Append the lines of finished tests.

        If the file changed since the last call, it is rewritten with the header and all lines.

        Raises:
            OSError: it cannot be written.
        """
        if not self._is_kept:
            return
        self._lines += lines
        if self._size and self._size == self._size_on_disk():
            self._size = append(self._path, "".join(lines))
            return
        write_whole(self._path, header() + "".join(self._lines))
        self._size = self._size_on_disk()

    def remove(self) -> None:
        """Delete the file, since the artifact is complete."""
        with suppress(OSError):
            self._path.unlink()
        self._size = 0

    def _size_on_disk(self) -> int:
        try:
            return self._path.stat().st_size
        except OSError:
            return 0
