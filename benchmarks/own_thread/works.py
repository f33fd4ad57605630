"""Twelve kinds of work that never block, from 20 µs to 20 ms a call.

It imports nothing from here: `neighbours.py` copies it into a project of its own.
"""

from __future__ import annotations

import decimal
import hashlib
import json
import re
import sqlite3
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

Call = Callable[[], Any]


def integers() -> Call:
    """Return a loop of integer arithmetic."""

    def call() -> int:
        x = 1
        for _ in range(50_000):
            x = (x * 7 + 3) & 0xFFFFF
        return x

    return call


def dictionary() -> Call:
    """Return look-ups in a dictionary that does not fit into a core's own caches."""
    values = {number * 7919 % 1_000_003: number for number in range(200_000)}
    keys = list(values)[::40]
    return lambda: sum(values[key] for key in keys)


def json_document() -> Call:
    """Return the parsing of a JSON document."""
    document = json.dumps([{"id": number, "name": str(number) * 3} for number in range(1_000)])
    return lambda: json.loads(document)


def regular_expression() -> Call:
    """Return a search of a text."""
    text, pattern = "some words and 12 numbers 345 " * 300, re.compile(r"(\w+) (\d+)")
    return lambda: pattern.findall(text)


def flask_request() -> Call:
    """Return a request to a Flask application by its test client."""
    from flask import Flask, jsonify

    app = Flask("works")
    app.add_url_rule("/", view_func=lambda: jsonify([{"id": number} for number in range(50)]))
    client = app.test_client()
    return lambda: client.get("/").get_data()


def sqlite() -> Call:
    """Return insertions, a query and a deletion in a database in memory, whose size stays."""
    database = sqlite3.connect(":memory:", isolation_level=None)
    database.execute("create table rows (number integer primary key, text text)")
    texts = ((number, f"row {number}" * 10) for number in range(20_000))
    database.executemany("insert into rows values (?, ?)", texts)
    added = [(number, "added" * 20) for number in range(20_000, 20_040)]

    def call() -> Any:
        database.executemany("insert into rows values (?, ?)", added)
        query = "select sum(length(text)) from rows where number % 10 = 0 and number > 15000"
        (size,) = database.execute(query).fetchone()
        database.execute("delete from rows where number >= 20000")
        return size

    return call


def numpy_arrays() -> Call:
    """Return a calculation with 16 MB of numbers."""
    numbers = np.arange(1_000_000, dtype=np.float64)
    product = np.empty_like(numbers)

    def call() -> float:
        np.multiply(numbers, 1.5, out=product)
        return float(product.sum())

    return call


def formatting() -> Call:
    """Return the formatting of some strings."""
    rows = [(number, number / 7, f"name {number}") for number in range(40)]
    return lambda: [f"{name:>12} {number:05d} {share:.3f}" for number, share, name in rows]


def sorting() -> Call:
    """Return the sorting of a list."""
    numbers = [number * 7919 % 100_003 for number in range(10_000)]
    return lambda: sorted(numbers)


@dataclass
class Account:
    """An object with attributes."""

    balance: int
    fee: int
    history: list[int]

    def book(self, amount: int) -> None:
        """Change the balance."""
        self.balance += amount - self.fee
        self.history[amount % len(self.history)] = self.balance


def objects() -> Call:
    """Return method calls that read and write attributes of many objects."""
    accounts = [Account(number, number % 3, [0] * 5) for number in range(2_000)]

    def call() -> int:
        for account in accounts:
            account.book(7)
        return sum(account.balance for account in accounts)

    return call


def unpacking() -> Call:
    """Return the parsing of a message of bytes, and its checksum."""
    record = struct.Struct("<IHd")
    message = b"".join(record.pack(number, number % 999, number / 3) for number in range(300))

    def call() -> Any:
        return sum(row[1] for row in record.iter_unpack(message)), hashlib.sha256(message).digest()

    return call


def decimals() -> Call:
    """Return a sum of many decimal fractions with fifty digits."""
    context = decimal.Context(prec=50)
    numbers = [decimal.Decimal(number) for number in range(1, 12_000)]
    one = decimal.Decimal(1)

    def call() -> decimal.Decimal:
        total = decimal.Decimal(0)
        for number in numbers:
            total = context.add(total, context.divide(one, number))
            total = context.multiply(total, one)
        return total

    return call


WORKS: Final[dict[str, Callable[[], Call]]] = {
    "integers": integers,
    "dict": dictionary,
    "json": json_document,
    "regex": regular_expression,
    "flask": flask_request,
    "sqlite": sqlite,
    "numpy": numpy_arrays,
    "formatting": formatting,
    "sorting": sorting,
    "objects": objects,
    "unpacking": unpacking,
    "decimals": decimals,
}
