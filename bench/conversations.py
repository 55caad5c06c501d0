"""Measure the commands that look at stored conversations, over a million rows and over ten, in one run.

Each command runs in two projects in turn, so that a machine whose speed drifts slows both alike.

Usage: python bench/conversations.py [--rows N]: prints a table. It takes the embedded engine, and some minutes.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import psycopg
from dotenv import dotenv_values

if TYPE_CHECKING:
    from collections.abc import Callable

# Conversations of ten turns; each row has the whole history, two items a turn.
FILL = """\
INSERT INTO conversation_states (response_id, input_items, created_at, model, provider)
SELECT 'resp_' || md5(n::text), (SELECT jsonb_agg(item ORDER BY at) FROM generate_series(0, n %% 10) AS turn,
  LATERAL (VALUES (turn * 2, jsonb_build_object('role', 'user', 'content', 'question ' || turn || ' of ' || n / 10)),
    (turn * 2 + 1, jsonb_build_object('role', 'assistant', 'content', jsonb_build_array(jsonb_build_object(
      'type', 'output_text', 'text', 'answer ' || turn || ' to ' || n / 10))))) AS items (at, item)),
  1700000000 + n, 'ollama/llama3.1', 'ollama/llama3.1'
FROM generate_series(%(first)s::int, %(last)s::int) AS n"""
TIMES = 5


class Project:
    """A project on the embedded engine."""

    def __init__(self) -> None:
        self.base = Path(tempfile.mkdtemp(prefix="planodev-bench-")).resolve()
        self.base.chmod(0o755)
        (self.base / "project").mkdir()
        self.environment = {**os.environ, "XDG_DATA_HOME": str(self.base / "data"), "PLANODEV_ENGINE": "embedded"}
        self.shown, self.followed = "", 0
        self.environment |= {"XDG_STATE_HOME": str(self.base / "state")}

    def run(self, *arguments: str) -> float:
        """Run planodev and return the seconds that the whole process took."""
        command = [sys.executable, "-m", "planodev", "-C", str(self.base / "project"), *arguments]
        begun = time.perf_counter()
        subprocess.run(command, env=self.environment, check=True, capture_output=True, stdin=subprocess.DEVNULL)
        return time.perf_counter() - begun

    def login(self) -> psycopg.Connection:
        """Return a session in autocommit."""
        env = dotenv_values(self.base / "project/.env", interpolate=False)
        way = {"host": "127.0.0.1", "port": env["DB_PORT"], "user": env["DB_USER"], "dbname": env["DB_NAME"]}
        return psycopg.connect(**way, password=unquote(env["DB_PASS"] or ""), autocommit=True)

    def latency(self) -> float:
        """Return the seconds from a turn's commit to its line of `--follow`."""
        command = [sys.executable, "-m", "planodev", "-C", str(self.base / "project"), "conversations", "--follow"]
        with (
            subprocess.Popen(command, env=self.environment, stdout=subprocess.PIPE) as following,
            self.login() as session,
        ):
            time.sleep(3)  # until it has logged in, which nothing shows
            number = 5_000_000 + self.followed
            self.followed += 1
            session.execute(FILL, {"first": number, "last": number})
            begun = time.perf_counter()
            assert following.stdout
            following.stdout.readline()
            taken = time.perf_counter() - begun
            following.kill()
        return taken

    def down(self) -> float:
        """Return the seconds of a `down`; it is up again then."""
        taken = self.run("down", "--keep-data")
        self.run("up")
        return taken

    def fill(self, rows: int) -> None:
        """Make the table, with so many rows."""
        self.run("up", "--model", "ollama/llama3.1")
        with self.login() as session:
            for first in range(0, rows, 50_000):
                session.execute(FILL, {"first": first, "last": min(rows, first + 50_000) - 1})
            session.execute("VACUUM ANALYZE conversation_states")
            found = session.execute("SELECT response_id FROM conversation_states LIMIT 1").fetchone()
            assert found
            self.shown = found[0]

    def remove(self) -> None:
        """Remove it, whatever it has."""
        command = [sys.executable, "-m", "planodev", "-C", str(self.base / "project"), "down", "--delete-data", "--yes"]
        subprocess.run(command, env=self.environment, check=False, capture_output=True)
        shutil.rmtree(self.base, ignore_errors=True)


MEASURED: dict[str, Callable[[Project], float]] = {
    "`status`": lambda project: project.run("status"),
    "second `up`": lambda project: project.run("up"),
    "`conversations`": lambda project: project.run("conversations"),
    "`conversations show ID`": lambda project: project.run("conversations", "show", project.shown),
    "`conversations --follow`, from the commit of a turn to its line": Project.latency,
    "`down --keep-data`": Project.down,
}


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    few, many = Project(), Project()
    try:
        few.fill(10)
        many.fill(rows)
        print(f"| command | 10 rows | {rows:,} rows |\n|---|---:|---:|", flush=True)
        for name, measure in MEASURED.items():
            pairs = [(measure(few), measure(many)) for _ in range(1 + TIMES)][1:]  # the first warms the caches
            small, large = (statistics.median(pair) for pair in zip(*pairs, strict=True))
            print(f"| {name} | {small:.2f} s | {large:.2f} s |", flush=True)
        taken = many.run("conversations", "prune", "--superseded", "--yes")
        memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1000
        name = f"`conversations prune --superseded` of {rows * 9 // 10:,} rows"
        print(f"| {name} | | {taken:.0f} s, with {memory:.0f} MB in planodev |")
    finally:
        few.remove()
        many.remove()


if __name__ == "__main__":
    main()
