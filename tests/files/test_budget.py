"""The speed of the machine in the file with the limits, and in a file that it extends."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_hancock_latency.errors import BudgetError
from pytest_hancock_latency.files.budget import read_machine

TABLE = """[{name}]
cpu = "{cpu}"
python = "cpython 3.12.1, main, probes 1"
arithmetic = "66us"
memory = "44us"
"""


def cpu_in(file: Path) -> str | None:
    speed = read_machine(file)
    return speed.kind.cpu if speed is not None else None


@pytest.mark.parametrize("name", ["machine", "tool.hancock-latency.machine"])
def test_its_table_is_at_the_top_or_in_our_section(tmp_path: Path, name: str) -> None:
    file = tmp_path / "budgets.toml"
    file.write_text(TABLE.format(name=name, cpu="a CPU"), encoding="utf-8")
    assert cpu_in(file) == "a CPU"


def test_a_file_has_the_machine_of_the_one_it_extends_unless_it_has_its_own(
    tmp_path: Path,
) -> None:
    (tmp_path / "base.toml").write_text(TABLE.format(name="machine", cpu="base"), encoding="utf-8")
    file = tmp_path / "budgets.toml"
    file.write_text('extends = "base.toml"\n', encoding="utf-8")
    assert cpu_in(file) == "base"
    own = TABLE.format(name="machine", cpu="own")
    file.write_text(f'extends = "base.toml"\n{own}', encoding="utf-8")
    assert cpu_in(file) == "own"


@pytest.mark.parametrize(
    "content",
    ["", "not toml [", 'extends = "nowhere.toml"', 'extends = "budgets.toml"', "extends = 7"],
)
def test_a_file_without_it_or_that_cannot_be_read_has_none(tmp_path: Path, content: str) -> None:
    file = tmp_path / "budgets.toml"
    file.write_text(content, encoding="utf-8")
    assert read_machine(file) is None
    assert read_machine(tmp_path / "missing.toml") is None


def test_an_invalid_table_is_named_with_its_file(tmp_path: Path) -> None:
    file = tmp_path / "budgets.toml"
    file.write_text("machine = 7", encoding="utf-8")
    with pytest.raises(BudgetError) as raised:
        read_machine(file)
    assert str(raised.value) == (
        f"{file}: table 'machine': must be a table of cpu, python, arithmetic and memory, as "
        "hancock-latency suggest writes"
    )
