"""Objects with the names and attributes of libraries that the tests do not install.

`measuring.answers` imports no library either: it knows types by their qualified names, and reads
the attributes below. The real libraries were tried by hand: SQLAlchemy 2.0, polars, dask, duckdb,
peewee, pandas, JAX, PyArrow, botocore and openai, not PySpark, PyTorch and CuPy.
"""

from __future__ import annotations

from typing import Any


def stand_in(name: str, *bases: type, **attributes: Any) -> Any:
    """Return an object of a type with this qualified name, and with these attributes."""
    module, _, qualified = name.rpartition(".")
    kind = type(qualified, bases, {"__module__": module})
    answer = kind()
    vars(answer).update(attributes)
    return answer


def sqlalchemy_result(name: str = "CursorResult", **attributes: Any) -> Any:
    """Return a result of a statement that returned rows, as of `connection.execute`."""
    result = type("Result", (), {"__module__": "sqlalchemy.engine.result", "_real_result": None})
    facts = {"_soft_closed": False, "returns_rows": True, **attributes}
    return stand_in(f"sqlalchemy.engine.cursor.{name}", result, **facts)


def dask_collection() -> Any:
    """Return a collection of dask, which is awaitable as well."""
    mixin = type("DaskMethodsMixin", (), {"__module__": "dask.base", "__await__": lambda _: None})
    return stand_in("dask.array.core.Array", mixin)
