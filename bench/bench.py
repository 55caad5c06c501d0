"""Measure planodev as whole processes, side by side with what it is compared with, and print medians.

    python bench/bench.py [--runs 9] [--planoai PATH]

Needs a Docker Engine, an image `postgres:16` and Compose 2 or newer, which `tests/engine-root forky` has too; for the
last row `planoai`. Each pair runs in turn, so that a machine whose speed drifts slows both sides alike; the ratio is
taken pair by pair. Everything it creates has a name with `planodev-bench` and is removed at the end.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

if TYPE_CHECKING:
    from collections.abc import Callable

PLANODEV = [sys.executable, "-m", "planodev"]
NAME = "planodev-bench"
PORT = 15999
COMPOSE = """\
services:
  db:
    image: postgres:16
    environment: {POSTGRES_PASSWORD: bench}
    ports: ["127.0.0.1:15998:5432"]
    volumes: ["data:/var/lib/postgresql/data"]
volumes: {data: {}}
"""


def run(*command: str, cwd: Path) -> None:
    """Run a command to its end; what it prints is thrown away, a failure is not."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed with {done.returncode}:\n{done.stdout}{done.stderr}")


def timed(job: Callable[[], None]) -> float:
    """Return the seconds that a job takes."""
    begin = time.perf_counter()
    job()
    return time.perf_counter() - begin


def floor(place: Path) -> None:
    """`docker run` of the same image, and the first login that is accepted, asked for every 5 ms."""
    run("docker", "run", "-d", "--name", f"{NAME}-floor", "-e", "POSTGRES_USER=plano", "-e", "POSTGRES_PASSWORD=bench",
        "-p", f"127.0.0.1:{PORT + 1}:5432", "postgres:16", cwd=place)  # fmt: skip
    while True:
        try:
            psycopg.connect(host="127.0.0.1", port=PORT + 1, user="plano", password="bench", connect_timeout=2).close()
        except psycopg.OperationalError:
            time.sleep(0.005)
        else:
            return


def compose_of_today() -> list[str]:
    """Return the Compose to measure against: that of tests/engine-root, else the machine's plugin."""
    root = subprocess.run(
        [Path(__file__).parents[1] / "tests/engine-root", "--have", "forky"],
        capture_output=True,
        text=True,
        check=False,
    )
    program = Path(root.stdout.strip()) / "usr/libexec/docker/cli-plugins/docker-compose"
    candidates = [[str(program)]] if root.returncode == 0 else []
    for command in (*candidates, ["docker", "compose"]):
        with contextlib.suppress(OSError):
            done = subprocess.run([*command, "version", "--short"], capture_output=True, text=True, check=False)
            if done.returncode == 0:
                print(f"Compose {done.stdout.strip()}")
                return command
    sys.exit("no Compose of today is here: `tests/engine-root forky` gets one")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--planoai", default=shutil.which("planoai"))
    options = parser.parse_args()
    compose = compose_of_today()
    place = Path(tempfile.mkdtemp(prefix=f"{NAME}-"))
    project, other = place / "project", place / "compose"
    project.mkdir()
    other.mkdir()
    (other / "docker-compose.yml").write_text(COMPOSE)
    planodev = [*PLANODEV, "-C", str(project)]
    os.environ["XDG_STATE_HOME"] = str(place / "state")

    def first_up() -> None:
        run(*planodev, "up", "--name", NAME, "--port", str(PORT), cwd=place)

    def remove(*, mine: bool) -> None:
        if mine:
            run(*planodev, "down", "--delete-data", "--yes", cwd=place)
            for file in project.iterdir():
                file.unlink()
        else:
            run("docker", "rm", "--force", "--volumes", f"{NAME}-floor", cwd=place)
        time.sleep(1)  # what a removal leaves to the engine and the disk is neither side's to pay

    def pairs(
        mine: Callable[[], None], theirs: Callable[[], None], after: Callable[[bool], None]
    ) -> list[tuple[float, float]]:
        found = []
        for index in range(options.runs + 1):
            a = timed(mine)
            after(True)
            b = timed(theirs)
            after(False)
            if index:  # the first pair warms the caches
                found.append((a, b))
        return found

    def nothing(_: bool) -> None: ...

    def up_again() -> None:
        run(*planodev, "up", cwd=place)

    def composed() -> None:
        # As `planodev up` does, it waits until the database is there.
        run(*compose, "up", "-d", "--wait", cwd=other)

    rows: list[tuple[str, float, list[tuple[float, float]]]] = []
    try:
        rows.append(
            ("first up / docker run + login", 1.25, pairs(first_up, lambda: floor(place), lambda m: remove(mine=m)))
        )
        first_up()
        composed()
        rows.append(("second up / compose up -d --wait", 0.5, pairs(up_again, composed, nothing)))
        rows.append(
            (
                "status / compose up -d --wait",
                0.45,
                pairs(lambda: run(*planodev, "status", cwd=place), composed, nothing),
            )
        )
        if options.planoai:
            usage = [str(Path(options.planoai).absolute()), "--help"]
            rows.append(
                (
                    "--help / planoai --help",
                    0.35,
                    pairs(lambda: run(*PLANODEV, "--help", cwd=place), lambda: run(*usage, cwd=place), nothing),
                )
            )
    finally:
        subprocess.run([*planodev, "down", "--delete-data", "--yes"], capture_output=True, check=False)
        subprocess.run([*compose, "down", "-v"], cwd=other, capture_output=True, check=False)
        subprocess.run(["docker", "rm", "-fv", f"{NAME}-floor"], capture_output=True, check=False)
        shutil.rmtree(place, ignore_errors=True)
    print(f"medians of {options.runs} pairs, seconds\n")
    print(f"{'':<36}{'planodev':>10}{'other':>10}{'ratio':>8}{'goal':>8}")
    for name, goal, found in rows:
        a, b = (statistics.median(pair[side] for pair in found) for side in (0, 1))
        ratio = statistics.median(mine / theirs for mine, theirs in found)
        print(f"{name:<36}{a:>10.3f}{b:>10.3f}{ratio:>8.2f}{goal:>8.2f}")


if __name__ == "__main__":
    main()
