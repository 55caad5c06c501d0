"""Measure the commands that look at stored conversations, over a million rows and over none, in one run.

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
from urllib.parse import unquote

import psycopg
from dotenv import dotenv_values

# Conversations of ten turns; each row has the whole history, two items a turn.
FILL = """\
INSERT INTO conversation_states (response_id, input_items, created_at, model, provider)
SELECT 'resp_' || md5(n::text), (SELECT jsonb_agg(item ORDER BY at) FROM generate_series(0, n %% 10) AS turn,
  LATERAL (VALUES (turn * 2, jsonb_build_object('role', 'user', 'content', 'question ' || turn || ' of ' || n / 10)),
    (turn * 2 + 1, jsonb_build_object('role', 'assistant', 'content', jsonb_build_array(jsonb_build_object(
      'type', 'output_text', 'text', 'answer ' || turn || ' to ' || n / 10))))) AS items (at, item)),
  1700000000 + n, 'ollama/llama3.1', 'ollama/llama3.1'
FROM generate_series(%(first)s::int, %(last)s::int) AS n"""
TIMES = 7


class Project:
    """A project on the embedded engine."""

    def __init__(self) -> None:
        self.base = Path(tempfile.mkdtemp(prefix="planodev-bench-")).resolve()
        self.base.chmod(0o755)
        (self.base / "project").mkdir()
        self.environment = {**os.environ, "XDG_DATA_HOME": str(self.base / "data"), "PLANODEV_ENGINE": "embedded"}
        self.environment |= {"XDG_STATE_HOME": str(self.base / "state")}

    def run(self, *arguments: str) -> float:
        """Run planodev and return the seconds that the whole process took."""
        command = [sys.executable, "-m", "planodev", "-C", str(self.base / "project"), *arguments]
        begun = time.perf_counter()
        subprocess.run(command, env=self.environment, check=True, capture_output=True, stdin=subprocess.DEVNULL)
        return time.perf_counter() - begun

    def median(self, *arguments: str) -> float:
        """Return the median of some runs."""
        return statistics.median(self.run(*arguments) for _ in range(TIMES))

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
            session.execute(FILL, {"first": 5_000_000, "last": 5_000_000})
            begun = time.perf_counter()
            assert following.stdout
            following.stdout.readline()
            taken = time.perf_counter() - begun
            following.kill()
        return taken

    def down_and_up(self) -> tuple[float, float]:
        """Return the seconds of a `down` and of the `up` behind it."""
        return self.run("down", "--keep-data"), self.run("up")


def measured(project: Project, shown: str) -> dict[str, float]:
    """Return the seconds of each command."""
    found = {
        "status": project.median("status"),
        "second `up`": project.median("up"),
        "`conversations`": project.median("conversations"),
        "`conversations show`": project.median("conversations", "show", shown),
        "`--follow`, from commit to line": project.latency(),
    }
    pairs = [project.down_and_up() for _ in range(3)]
    return {**found, "`down --keep-data`": statistics.median(down for down, _ in pairs)}


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    project = Project()
    try:
        project.run("up", "--model", "ollama/llama3.1")
        with project.login() as session:
            session.execute(FILL, {"first": 0, "last": 9})
            number = session.execute("SELECT response_id FROM conversation_states ORDER BY created_at DESC").fetchone()
            assert number
            empty = measured(project, number[0])
        with project.login() as session:
            session.execute("TRUNCATE conversation_states")
            for first in range(0, rows, 50_000):
                session.execute(FILL, {"first": first, "last": min(rows, first + 50_000) - 1})
            session.execute("VACUUM ANALYZE conversation_states")
            number = session.execute("SELECT response_id FROM conversation_states LIMIT 1").fetchone()
            assert number
        full = measured(project, number[0])
        print(f"| command | 10 rows | {rows:,} rows |\n|---|---|---|")
        for name, seconds in full.items():
            print(f"| {name} | {empty[name]:.2f} s | {seconds:.2f} s |")
        taken = project.run("conversations", "prune", "--superseded", "--yes")
        memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1000
        print(f"| `conversations prune --superseded` of {rows * 9 // 10:,} rows | | {taken:.0f} s, {memory:.0f} MB |")
    finally:
        subprocess.run(
            [sys.executable, "-m", "planodev", "-C", str(project.base / "project"), "down", "--delete-data", "--yes"],
            env=project.environment,
            check=False,
            capture_output=True,
        )
        shutil.rmtree(project.base, ignore_errors=True)


if __name__ == "__main__":
    main()
