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
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg

from bench import COMPOSE, PLANODEV, PORT, compose_of_today, run, timed
from planodev.engines.embedded import directories, programs
from planodev.project import identity as projects


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    options = parser.parse_args()
    program = programs.find() or sys.exit("planodev[embedded] is not installed")
    place = Path(tempfile.mkdtemp(prefix="planodev-bench-"))
    place.chmod(0o755)  # the server does not run as root
    project, other, bare = place / "project", place / "compose", place / "bare"
    for directory in (project, other, bare):
        directory.mkdir()
    (other / "docker-compose.yml").write_text(COMPOSE)
    os.environ["XDG_STATE_HOME"], os.environ["XDG_DATA_HOME"] = str(place / "state"), str(place / "data")
    planodev = [*PLANODEV, "-C", str(project)]
    runner = directories.runner(projects.at(project), None)
    os.chown(bare, runner.uid, runner.gid)
    password = bare / "password"
    password.write_text("bench\n")
    os.chown(password, runner.uid, runner.gid)

    def as_runner(name: str, *arguments: str) -> None:
        subprocess.run([program.path(name), *arguments], stdout=subprocess.DEVNULL, check=True, **runner.arguments)  # type: ignore[call-overload]

    def floor() -> None:
        as_runner("initdb", f"--pgdata={bare}/data", "--username=plano", f"--pwfile={password}", "--auth=scram-sha-256",
                  "--encoding=UTF8", "--no-locale")  # fmt: skip
        options_ = f"-c port={PORT + 2} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''"
        as_runner("pg_ctl", "-D", f"{bare}/data", "-l", f"{bare}/log", "-o", options_, "-w", "start")
        psycopg.connect(host="127.0.0.1", port=PORT + 2, user="plano", password="bench", dbname="postgres").close()

    def first_up() -> None:
        run(*planodev, "up", "--engine", "embedded", "--port", str(PORT), cwd=place)

    def remove(*, mine: bool) -> None:
        if mine:
            run(*planodev, "down", "--delete-data", "--yes", cwd=place)
            for file in project.iterdir():
                file.unlink()
        else:
            as_runner("pg_ctl", "-D", f"{bare}/data", "-m", "fast", "stop")
            shutil.rmtree(bare / "data")
        os.sync()  # what a removal leaves to the disk is neither side's to pay
        time.sleep(0.5)

    rows: list[tuple[str, float, list[float], list[float]]] = []
    compose = compose_of_today()
    wait = [*compose, "up", "-d", "--wait"]
    try:
        mine, theirs = [], []
        for index in range(options.runs + 1):
            seconds = timed(first_up)
            remove(mine=True)
            least = timed(floor)
            remove(mine=False)
            if index:  # the first pair warms the caches
                mine.append(seconds)
                theirs.append(least)
        rows.append(("first up / initdb, start, login", 1.15, mine, theirs))
        first_up()
        composed = subprocess.run(wait, cwd=other, capture_output=True, check=False).returncode == 0
        for name, goal, arguments in (("second up / compose up -d --wait", 0.37, ["up"]), ("status", 0.37, ["status"])):
            mine, theirs = [], []
            for _ in range(options.runs):
                mine.append(timed(lambda arguments=arguments: run(*planodev, *arguments, cwd=place)))  # type: ignore[misc]
                if composed:
                    theirs.append(timed(lambda: run(*wait, cwd=other)))
            rows.append((name, goal, mine, theirs))
    finally:
        subprocess.run([*planodev, "down", "--delete-data", "--yes"], capture_output=True, check=False)
        subprocess.run([*compose, "down", "-v"], cwd=other, capture_output=True, check=False)
        shutil.rmtree(place, ignore_errors=True)
    print(f"medians of {options.runs} pairs, seconds; the server runs as {runner.name}\n")
    print(f"{'':<36}{'planodev':>10}{'other':>10}{'ratio':>8}{'goal':>8}")
    for name, goal, mine, theirs in rows:
        other_ = statistics.median(theirs) if theirs else float("nan")
        ratio = statistics.median(a / b for a, b in zip(mine, theirs, strict=True)) if theirs else float("nan")
        print(f"{name:<36}{statistics.median(mine):>10.3f}{other_:>10.3f}{ratio:>8.2f}{goal:>8.2f}")


if __name__ == "__main__":
    main()
