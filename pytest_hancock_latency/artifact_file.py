"""Reading JSON artifacts from files."""

from __future__ import annotations

from pathlib import Path

from .errors import ArtifactError
from .reporting.json_artifact import Artifact, artifact_in


def read_artifact(path: Path) -> Artifact:
    """What the artifact in a file says.

    Raises:
        ArtifactError: the file cannot be read or is no artifact; the text starts with its path.
    """
    try:
        return artifact_in(path.read_text(encoding="utf-8", errors="replace"))
    except OSError as error:
        raise ArtifactError(f"{path}: {error.strerror}") from None
    except ArtifactError as error:
        raise ArtifactError(f"{path} {error}") from None
