"""The faults that need no engine, as data: `answers.toml` has what is wrong, what is typed, and what the user sees."""

from __future__ import annotations

import io
import os
import shlex
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

from planodev.cli.main import main
from tests.support.toml import tomllib

FILE = Path(__file__).with_suffix(".toml")
ENV = "DB_USER=u\nDB_PASS=secret-password\nDB_HOST=127.0.0.1\nDB_PORT=5432\nDB_NAME=d\n"
# What a path can be instead of a file with a text.
KINDS = {
    "directory": lambda path: path.mkdir(),
    "link to nothing": lambda path: path.symlink_to("nothing"),
    "link to itself": lambda path: path.symlink_to(path.name),
    "pipe": os.mkfifo if hasattr(os, "mkfifo") else None,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "sparse": lambda path: path.touch() or os.truncate(path, 50 * 10**9),
    "latin-1": lambda path: path.write_bytes("name: gr\xfc\xdfe\n".encode("latin-1")),
    "deep": lambda path: path.write_text("listeners = " + "[" * 50_000),
    "large": lambda path: path.write_text("a: [1]\n" * 100_000),
}
_LIMITED = """
import threading
from planodev.__main__ import main
def refused(thread):
    raise RuntimeError("can't start new thread")
for kind, amount in {limit}.items():
    if kind == "threads":
        import planodev.doctor
        threading.Thread.start = refused
    elif kind != "output":
        import resource
        resource.setrlimit(getattr(resource, kind), (amount, amount))
main()
"""


@dataclass(frozen=True)
class Answer:
    """One row.

    Args:
        group: the table that it is in.
        name: of the row.
        fault: what is wrong, for readers.
        run: what is typed after `planodev`.
        sees: what the user sees of it, the first line of the error without its mark; `{here}` is the project.
        exit: the exit code.
        why: the cause that is told below it; "" where another program or system says it in words of its own.
        write: texts of files, by their path in the project; `docker/…` is docker's own directory.
        make: what else a path is, one of `KINDS`.
        set: variables; an empty one is not set.
        limit: what the process has no more of.

    """

    group: str
    name: str
    fault: str
    run: str
    sees: str
    exit: int
    why: str = ""
    write: dict[str, str] = field(default_factory=dict)
    make: dict[str, str] = field(default_factory=dict)
    set: dict[str, str] = field(default_factory=dict)
    limit: dict[str, int] = field(default_factory=dict)


def rows() -> tuple[Answer, ...]:
    return tuple(Answer(**row) for row in tomllib.loads(FILE.read_text(encoding="utf-8"))["row"])


@dataclass(frozen=True)
class Said:
    """What a command has said, and its exit code."""

    code: int
    out: str
    err: str


def inflict(row: Answer, place: Path) -> Said:
    """Make a project below a directory, put into it what is wrong, and run the command there."""
    project = place / "project"
    project.mkdir()
    (project / ".env").write_text(ENV)
    for name, text in row.write.items():
        path = place / name if name.startswith("docker/") else project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for name, kind in row.make.items():
        (project / name).unlink(missing_ok=True)
        KINDS[kind](project / name)
    variables = {"DOCKER_HOST": f"unix://{place}/nothing.sock", "DOCKER_CONFIG": str(place / "docker")}
    variables |= {"HOME": str(place), "XDG_STATE_HOME": str(place / "state"), "XDG_DATA_HOME": str(place / "data")}
    variables |= {"PATH": "/nowhere", **row.set}
    variables = {name: value for name, value in variables.items() if value}
    return (_limited if row.limit else _here)(row, project, variables)


def _here(row: Answer, project: Path, variables: dict[str, str]) -> Said:
    """Run the command in this process, which is quicker."""
    before, out, err = Path.cwd(), io.StringIO(), io.StringIO()
    os.chdir(project)
    try:
        with mock.patch.dict(os.environ, variables, clear=True), redirect_stdout(out), redirect_stderr(err):
            return Said(main(shlex.split(row.run)), out.getvalue(), err.getvalue())
    finally:
        os.chdir(before)


def _limited(row: Answer, project: Path, variables: dict[str, str]) -> Said:
    """Run it in a process of its own that has no more of something."""
    with open("/dev/full" if "output" in row.limit else os.devnull, "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", _LIMITED.format(limit=row.limit), *shlex.split(row.run)],
            cwd=project,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=full if "output" in row.limit else subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    return Said(done.returncode, done.stdout or "", done.stderr)


def seen(done: Said, place: Path) -> str:
    """Return the first line of the error, with `{here}` for the project's path."""
    lines = [line for line in (done.err + done.out).splitlines() if line.startswith("✗ ")]
    return lines[0].removeprefix("✗ ").replace(str(place / "project"), "{here}") if lines else ""


def cause(done: Said) -> str:
    """Return the first line of why."""
    lines = [line for line in done.err.splitlines() if line.startswith("  why: ")]
    return lines[0].removeprefix("  why: ") if lines else ""


def tables() -> str:
    """Return the rows as `docs/reliability.md` has them."""
    parts = []
    for group in dict.fromkeys(row.group for row in rows()):
        lines = [f"#### {group}", "", "| fault | command | what the user sees | exit |", "|---|---|---|---|"]
        for row in rows():
            if row.group == group:
                run, sees = shown(row.run), shown(row.sees.replace("{here}/", "").replace("{here}", "."))
                why = f"; why: {shown(row.why)}" if row.why else ""
                lines.append(f"| {row.fault} | `{run}` | {sees}{why} | {row.exit} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def shown(text: str) -> str:
    """Return a text for a cell of a table in Markdown."""
    return "".join(character if character.isprintable() else f"\\x{ord(character):02x}" for character in text).replace(
        "|", "\\|"
    )
