from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pytest_hancock_latency import Sampler, latency_budget

BY_CUSTOMER = "SELECT count(*), sum(cents) FROM orders WHERE customer = ?"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(tmp_path / "orders.sqlite")) as connection:
        connection.execute("CREATE TABLE orders (customer INTEGER, cents INTEGER)")
        connection.execute("CREATE INDEX orders_by_customer ON orders (customer)")
        connection.executemany(
            "INSERT INTO orders VALUES (?, ?)", ((number % 100, 250) for number in range(10_000))
        )
        yield connection


@latency_budget(p50=10, p95=50, p99=100)
def test_the_orders_of_a_customer(database: sqlite3.Connection, sample: Sampler) -> None:
    placed = 100
    for _ in sample.rounds():
        database.execute("INSERT INTO orders VALUES (7, 250)")  # not measured
        placed += 1
        with sample.observe():
            answer = database.execute(BY_CUSTOMER, (7,)).fetchone()
        assert answer == (placed, placed * 250)
