"""Tests that query a database server: Redis and PostgreSQL."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

from .answering import LOCALHOST, Cost
from .own_code import Call

DISK: Final = Path("/var/tmp")
"""On a disk, and every user may enter it."""
ANSWER: Final = """
create function answer(steps integer, seconds double precision) returns integer
language plpgsql as $$
declare
  x integer := 1;
begin
  for i in 1..steps loop
    x := (x * 5 + 1) % 65536;
  end loop;
  if seconds > 0 then
    perform pg_sleep(seconds);
  end if;
  return x;
end $$
"""


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as free:
        free.bind((LOCALHOST, 0))
        port: int = free.getsockname()[1]
    return port


@contextmanager
def redis(cost: Cost) -> Iterator[Call]:
    """A script in a real Redis; it cannot sleep."""
    from redis import Redis, RedisError

    script = f"local x = 1; for i = 1, {cost.all_steps} do x = (x * 5 + 1) % 65536 end"
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = ["redis-server", "--port", str(port), "--dir", folder, "--save", ""]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            try:
                client = Redis(port=port)
                for _ in range(100):
                    with suppress(RedisError):
                        client.ping()
                        break
                    time.sleep(0.05)
                yield partial(client.eval, script, 0)
                client.close()
            finally:
                process.kill()


@contextmanager
def postgres(cost: Cost, *, tcp: bool = False) -> Iterator[Call]:
    """A query to a real PostgreSQL, which was started outside of the test.

    tcp: whether by TCP, and not by a Unix socket.
    """
    try:
        import psycopg
    except ImportError as error:
        message = "psycopg is not installed: pip install 'psycopg[binary]'"
        raise ImportError(message) from error

    with tempfile.TemporaryDirectory(dir=DISK) as folder, _postgres_in(Path(folder)) as port:
        host = LOCALHOST if tcp else folder
        with psycopg.connect(host=host, port=port, user="postgres", autocommit=True) as connection:
            connection.execute(ANSWER)

            def call() -> Any:
                given = (cost.all_steps, cost.next_sleep_s())
                return connection.execute("select answer(%s, %s)", given).fetchone()

            yield call


@contextmanager
def _postgres_in(folder: Path) -> Iterator[int]:
    """The port of a PostgreSQL with its data and its Unix socket in this folder."""
    pg_ctl, port, data = _pg_ctl(), free_port(), str(folder / "data")
    run = partial(subprocess.run, check=True, stdout=subprocess.DEVNULL, cwd=folder)
    if os.geteuid() == 0:  # it refuses to run as root
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        run = partial(run, user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[])
    making = [pg_ctl.with_name("initdb"), "-D", data, "-U", "postgres", "-A", "trust"]
    run([*making, "-E", "UTF8", "--no-locale", "--no-sync"])
    options = f"-c listen_addresses={LOCALHOST} -p {port} -k {folder}"
    run([pg_ctl, "-D", data, "-l", folder / "log", "-o", options, "-w", "start"])
    try:
        yield port
    finally:
        run([pg_ctl, "-D", data, "-m", "immediate", "stop"])


def _pg_ctl() -> Path:
    """Return the program of PostgreSQL that starts servers; Debian keeps it out of the path."""
    found = shutil.which("pg_ctl")
    paths = [Path(found)] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    if not paths:
        raise FileNotFoundError("PostgreSQL is not installed: there is no pg_ctl")
    return paths[-1]
