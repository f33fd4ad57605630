"""Tests that need no server: what they call runs in their own process, its threads and programs."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from machine import folder_on_disk
from machine.control_groups import half_a_core

from .answering import Cost, run_programs

Call = Callable[[], Any]


@contextmanager
def own_thread(cost: Cost) -> Iterator[Call]:
    """The measuring thread does it itself, or starts programs and waits for them."""
    yield cost.spend


def _fastapi_client(cost: Cost) -> Any:
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

    app = FastAPI()

    @app.get("/")
    def answer() -> dict[str, bool]:
        cost.spend()
        return {"ok": True}

    return TestClient(app)


@contextmanager
def fastapi_client(cost: Cost) -> Iterator[Call]:
    """FastAPI's test client, which answers from another thread."""
    with _fastapi_client(cost) as client:
        yield partial(client.get, "/")


@contextmanager
def fastapi_bare(cost: Cost) -> Iterator[Call]:
    """The same client without ``with``: a new thread for every request."""
    yield partial(_fastapi_client(cost).get, "/")


@contextmanager
def pool(cost: Cost) -> Iterator[Call]:
    """A thread of a pool."""
    executor = ThreadPoolExecutor(2)
    try:
        yield lambda: executor.submit(cost.spend).result(cost.timeout_s)
    finally:
        executor.shutdown(cancel_futures=True)  # after a time-out, work is left


@contextmanager
def own_quota(cost: Cost) -> Iterator[Call]:
    """The test and its programs in a control group of their own, with half a core.

    The programs are short: unless they are slowed, a call does not use up the quota of 50 ms.
    """
    counting = f"i=0; while [ $i -lt {cost.all_steps} ]; do i=$((i+1)); done"

    def call() -> None:
        run_programs(["sh", "-c", f"{counting}; sleep {cost.next_sleep_s()}"], cost.programs)

    with half_a_core():
        yield call


@contextmanager
def sqlite(cost: Cost, journal: str = "delete") -> Iterator[Call]:
    """A commit to a file, in one of SQLite's journal modes."""
    with folder_on_disk() as folder:
        database = sqlite3.connect(Path(folder) / "rows.db")
        database.execute(f"pragma journal_mode={journal}")
        database.execute("create table rows (x integer)")

        def call() -> None:
            cost.spend()
            database.execute("insert into rows values (1)")
            database.commit()

        yield call
        database.close()


@contextmanager
def memory(cost: Cost) -> Iterator[Call]:
    """Adding up 24 MB, which no cache holds."""
    import numpy as np

    numbers = np.ones(3_000_000)
    other = np.ones(3_000_000)

    def call() -> None:
        np.add(numbers, other, out=numbers)
        cost.spend()

    yield call
