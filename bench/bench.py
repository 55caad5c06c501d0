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
from typing import TYPE_CHECKING, NamedTuple

import psycopg

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from typing_extensions import Self

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


class Row(NamedTuple):
    """One line of the table: the seconds of planodev and of the other side, run by run."""

    name: str
    goal: float
    pairs: list[tuple[float, float]]


def nothing() -> None:
    """Leave all as it is between two runs."""


def pairs(
    runs: int,
    mine: Callable[[], None],
    theirs: Callable[[], None] | None,
    after_mine: Callable[[], None] = nothing,
    after_theirs: Callable[[], None] = nothing,
) -> list[tuple[float, float]]:
    """Return the seconds of both, in turn; without the other side its seconds are not a number."""
    found = []
    for _ in range(runs + 1):
        a = timed(mine)
        after_mine()
        b = timed(theirs) if theirs else float("nan")
        after_theirs()
        found.append((a, b))
    return found[1:]  # the first pair warms the caches


def print_table(title: str, rows: Iterable[Row]) -> None:
    """Print the median of each side and of the ratio, which is taken pair by pair."""
    print(f"{title}\n")
    print(f"{'':<36}{'planodev':>10}{'other':>10}{'ratio':>8}{'goal':>8}")
    for name, goal, found in rows:
        a, b = (statistics.median(pair[side] for pair in found) for side in (0, 1))
        ratio = statistics.median(mine / theirs for mine, theirs in found)
        print(f"{name:<36}{a:>10.3f}{b:>10.3f}{ratio:>8.2f}{goal:>8.2f}")


class Place:
    """A project of planodev's and one of Compose's below one temporary directory; all of it is removed at the end."""

    def __init__(self) -> None:
        self.compose = compose_of_today()
        self.path = Path(tempfile.mkdtemp(prefix=f"{NAME}-"))
        self.project, self._other = self.path / "project", self.path / "compose"
        self.project.mkdir()
        self._other.mkdir()
        (self._other / "docker-compose.yml").write_text(COMPOSE)
        os.environ["XDG_STATE_HOME"] = str(self.path / "state")

    def planodev(self, *arguments: str) -> None:
        """Run a command in the project."""
        run(*PLANODEV, "-C", str(self.project), *arguments, cwd=self.path)

    def compose_up(self) -> None:
        """Start Compose's project, and wait until its database is there, as `planodev up` does."""
        run(*self.compose, "up", "-d", "--wait", cwd=self._other)

    def delete(self) -> None:
        """Delete the project's database and its files."""
        self.planodev("down", "--delete-data", "--yes")
        for file in self.project.iterdir():
            file.unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        down = [*PLANODEV, "-C", str(self.project), "down", "--delete-data", "--yes"]
        subprocess.run(down, capture_output=True, check=False)
        subprocess.run([*self.compose, "down", "-v"], cwd=self._other, capture_output=True, check=False)
        shutil.rmtree(self.path, ignore_errors=True)


def remove_floor(place: Path) -> None:
    """Remove what `floor` has created."""
    run("docker", "rm", "--force", "--volumes", f"{NAME}-floor", cwd=place)
    time.sleep(1)  # what a removal leaves to the engine and the disk is neither side's to pay


def measured(place: Place, runs: int, planoai: str | None) -> list[Row]:
    """Return every row, in the order of docs/speed.md."""

    def first_up() -> None:
        place.planodev("up", "--name", NAME, "--port", str(PORT))

    def delete() -> None:
        place.delete()
        time.sleep(1)  # as in `remove_floor`

    first = pairs(runs, first_up, lambda: floor(place.path), delete, lambda: remove_floor(place.path))
    rows = [Row("first up / docker run + login", 1.25, first)]
    first_up()
    place.compose_up()
    again = pairs(runs, lambda: place.planodev("up"), place.compose_up)
    rows.append(Row("second up / compose up -d --wait", 0.5, again))
    status = pairs(runs, lambda: place.planodev("status"), place.compose_up)
    rows.append(Row("status / compose up -d --wait", 0.45, status))
    if planoai:
        usage = [str(Path(planoai).absolute()), "--help"]
        both = (lambda: run(*PLANODEV, "--help", cwd=place.path), lambda: run(*usage, cwd=place.path))
        rows.append(Row("--help / planoai --help", 0.35, pairs(runs, *both)))
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--planoai", default=shutil.which("planoai"))
    options = parser.parse_args()
    with Place() as place:
        try:
            rows = measured(place, options.runs, options.planoai)
        finally:
            subprocess.run(["docker", "rm", "-fv", f"{NAME}-floor"], capture_output=True, check=False)
    print_table(f"medians of {options.runs} pairs, seconds", rows)


if __name__ == "__main__":
    main()
