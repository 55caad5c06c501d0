"""Measure the embedded engine as whole processes, beside what it is compared with, and print medians.

    python bench/embedded.py [--runs 9]

The floor of a first `up` is `initdb`, `pg_ctl start` and the first login that is accepted, with the same programs, as
the same user and on the same disk. A second `up` is put beside `docker compose up -d --wait` with nothing to do;
without an engine the row has planodev's seconds alone. Everything is below one temporary directory, and removed at
the end.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psycopg

from bench import PORT, Place, Row, pairs, print_table
from planodev.engines.embedded import directories, programs
from planodev.project import identity

if TYPE_CHECKING:
    from planodev.engines.embedded.directories import Runner
    from planodev.engines.embedded.programs import Program


class Floor:
    """The programs alone, run as planodev runs them."""

    def __init__(self, place: Place, program: Program, runner: Runner) -> None:
        self._program, self._runner = program, runner
        self._bare = place.path / "bare"
        self._password = self._bare / "password"
        self._bare.mkdir()
        self._password.write_text("bench\n")
        for path in (self._bare, self._password):
            os.chown(path, runner.uid, runner.gid)

    def start(self) -> None:
        """`initdb`, `pg_ctl start`, and the first login."""
        self._run("initdb", f"--pgdata={self._bare}/data", "--username=plano", f"--pwfile={self._password}",
                  "--auth=scram-sha-256", "--encoding=UTF8", "--no-locale")  # fmt: skip
        options = f"-c port={PORT + 2} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''"
        self._run("pg_ctl", "-D", f"{self._bare}/data", "-l", f"{self._bare}/log", "-o", options, "-w", "start")
        psycopg.connect(host="127.0.0.1", port=PORT + 2, user="plano", password="bench", dbname="postgres").close()

    def remove(self) -> None:
        """Stop the server and remove its data."""
        self._run("pg_ctl", "-D", f"{self._bare}/data", "-m", "fast", "stop")
        shutil.rmtree(self._bare / "data")
        settle()

    def _run(self, name: str, *arguments: str) -> None:
        command = [self._program.path(name), *arguments]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True, **self._runner.arguments)


def settle() -> None:
    """Wait for what a removal leaves to the disk: neither side is to pay for it."""
    os.sync()
    time.sleep(0.5)


def measured(place: Place, floor: Floor, runs: int) -> list[Row]:
    """Return every row, in the order of docs/speed.md."""

    def first_up() -> None:
        place.planodev("up", "--engine", "embedded", "--port", str(PORT))

    def delete() -> None:
        place.delete()
        settle()

    rows = [Row("first up / initdb, start, login", 1.15, pairs(runs, first_up, floor.start, delete, floor.remove))]
    first_up()
    try:
        place.compose_up()
        theirs = place.compose_up
    except SystemExit:  # there is no engine
        theirs = None
    for name, command in (("second up / compose up -d --wait", "up"), ("status", "status")):
        rows.append(Row(name, 0.37, pairs(runs, lambda command=command: place.planodev(command), theirs)))  # type: ignore[misc]
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    options = parser.parse_args()
    program = programs.find() or sys.exit("planodev[embedded] is not installed")
    with Place() as place:
        place.path.chmod(0o755)  # the server does not run as root
        os.environ["XDG_DATA_HOME"] = str(place.path / "data")
        runner = directories.runner(identity.at(place.project), None)
        rows = measured(place, Floor(place, program, runner), options.runs)
    print_table(f"medians of {options.runs} pairs, seconds; the server runs as {runner.name}", rows)


if __name__ == "__main__":
    main()
