"""Where text goes: regular files are replaced, pipes and devices are written through."""

from __future__ import annotations

import os
import socket
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_hancock_latency.errors import LatencyError
from pytest_hancock_latency.files.artifact import ArtifactWriter, Journal, check_artifacts
from pytest_hancock_latency.reporting.writer import check_writable, write_through, write_whole

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
NULL = (1, 3)
"""Numbers of the null device on Linux."""
FULL = (1, 7)
"""Of the device that is always full."""


def device(path: Path, numbers: tuple[int, int], kind: int = stat.S_IFCHR) -> Path:
    """A device of our own: as root, a test that fails would destroy the real one."""
    try:
        os.mknod(path, kind | 0o666, os.makedev(*numbers))
        path.stat()
    except OSError:
        pytest.skip("needs the right to make devices")
    return path


def reading(pipe: Path) -> Callable[[], str]:
    """What is written to a pipe, read meanwhile."""
    texts: list[str] = []
    reader = threading.Thread(target=lambda: texts.append(pipe.read_text(encoding="utf-8")))
    reader.start()

    def text() -> str:
        reader.join()
        return texts[0]

    return text


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


def test_a_pipe_gets_the_text_and_stays_a_pipe(pipe: Path) -> None:
    text = reading(pipe)
    write_whole(pipe, "é\n")
    assert text() == "é\n"
    assert pipe.is_fifo()


def test_a_pipe_without_a_reader_is_refused_after_five_seconds(pipe: Path) -> None:
    clock = [0.0]

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    with pytest.raises(OSError, match=r"^\[Errno 6\] no process reads from this named pipe: "):
        write_through(pipe, "text", now=lambda: clock[0], sleep=sleep)
    assert 5 <= clock[0] < 5.1
    assert pipe.is_fifo()


def test_a_device_stays_a_device(tmp_path: Path) -> None:
    null = device(tmp_path / "null", NULL)
    write_whole(null, "text")
    assert null.is_char_device()
    assert [null] == list(tmp_path.iterdir())


def test_a_device_that_takes_nothing_is_an_error(tmp_path: Path) -> None:
    full = device(tmp_path / "full", FULL)
    with pytest.raises(OSError, match="No space left on device"):
        write_whole(full, "text")
    assert full.is_char_device()


def test_a_symlink_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    target, link = tmp_path / "there" / "target", tmp_path / "link"
    target.write_text("before")
    link.symlink_to("there/target")
    write_whole(link, "after")
    assert link.is_symlink()
    assert target.read_text() == "after"
    assert [target] == list(target.parent.iterdir())


def test_a_symlink_to_nothing_makes_its_target(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("folder/target")
    check_writable(link)
    write_whole(link, "text")
    assert link.is_symlink()
    assert (tmp_path / "folder" / "target").read_text() == "text"


def test_a_symlink_to_a_device_leaves_both(tmp_path: Path) -> None:
    null, link = device(tmp_path / "null", NULL), tmp_path / "link"
    link.symlink_to(null)
    write_whole(link, "text")
    assert link.is_symlink()
    assert null.is_char_device()


def socket_at(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda path: path.mkdir(), "Is a directory"),
        (socket_at, "it is a socket"),
        (lambda path: device(path, (7, 200), stat.S_IFBLK), "it is a block device"),
        (lambda path: path.symlink_to(path), "Too many levels of symbolic links"),
    ],
    ids=["folder", "socket", "block device", "endless link"],
)
def test_what_is_neither_a_file_nor_a_stream_is_refused_before_and_after(
    tmp_path: Path, make: Callable[[Path], object], why: str
) -> None:
    path = tmp_path / "out"
    make(path)
    before = path.lstat()
    with pytest.raises(LatencyError) as caught:
        check_artifacts({"json": path})
    assert f"cannot write the latency artifact {path}: {why}" == str(caught.value)
    with pytest.raises(OSError, match=why):
        write_whole(path, "text")
    assert before == path.lstat()


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="needs /dev/fd")
def test_a_file_that_somebody_has_open_under_a_descriptor_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    with path.open("w") as file:
        file.write("what else goes there")
        file.flush()
        name, link = Path(f"/dev/fd/{file.fileno()}"), tmp_path / "link"
        link.symlink_to(name)
        for each in (name, link):
            with pytest.raises(OSError, match="it is a descriptor of an open file"):
                write_whole(each, "text")
    assert path.read_text() == "what else goes there"


def test_a_pipe_gets_one_artifact_and_no_journal(tmp_path: Path, pipe: Path) -> None:
    text = reading(pipe)
    writer = ArtifactWriter()
    for number in range(3):
        writer.write(pipe, lambda number=number: f"text {number}")
        Journal(pipe).append(["line\n"], lambda: "header\n")
    writer.finish()
    writer.finish()
    assert text() == "text 2"
    assert writer.error_lines == []
    assert [pipe] == list(tmp_path.iterdir())


def test_a_file_that_was_left_unfinished_is_not_followed(tmp_path: Path) -> None:
    path, other = tmp_path / "a.json", tmp_path / "other"
    other.write_text("of somebody else")
    (tmp_path / f".a.json.{os.getpid()}").symlink_to(other)
    write_whole(path, "text")
    assert (path.read_text(), other.read_text()) == ("text", "of somebody else")
