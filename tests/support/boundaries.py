"""Ways to stop a running `up` at one exact place, for real, with nothing in planodev that knows of it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import subprocess
from pathlib import Path

from tests.support.docker_proxy import DROP, changes, gate
from tests.support.waiting import until


def env_is_whole(project, olds):
    """Hold that `.env` is one of the old files or a new one that is whole; returns what it is now."""
    path = project.path / ".env"
    if not path.exists():
        assert None in olds, "`.env` is gone"
        return None
    text = path.read_text()
    keys = {"DB_USER", "DB_PASS", "DB_HOST", "DB_PORT", "DB_NAME"}
    whole = text.endswith("\n") and keys <= {line.split("=")[0] for line in text.splitlines() if "=" in line}
    assert text in olds or (whole and "# planodev project: " in text), text
    return text


def kill(running):
    running.kill()
    running.wait()


@contextlib.contextmanager
def held_at_each_line(project, *options):
    """Start `up` with a standard error that takes one line and no more until it is read.

    Yields the process when it stands still with its first line in hand, the pipe, and what says that it stands still.
    """
    reading, writing = os.pipe2(os.O_DIRECT)  # each write is one packet, in a page of its own
    fcntl.fcntl(writing, 1031, 4096)  # F_SETPIPE_SZ: one page, so one packet
    os.write(writing, b"held")
    running = subprocess.Popen(
        project.command("up", *options),
        env=project.environment,
        cwd=project.path.parent,
        stdout=subprocess.DEVNULL,
        stderr=writing,
        stdin=subprocess.DEVNULL,
    )
    os.close(writing)

    def stands_still():
        return running.poll() is not None or "pipe" in Path(f"/proc/{running.pid}/wchan").read_text()

    try:
        until(stands_still, "the first line")
        yield running, reading, stands_still
    finally:
        if running.poll() is None:
            kill(running)
        os.close(reading)


def killed_at_line(project, number, *options):
    """Kill `up` when it has a line in hand, counted from 0, and has not said it; returns whether it came so far."""
    with held_at_each_line(project, *options) as (running, reading, stands_still):
        for _ in range(number):
            os.read(reading, 65536)
            until(lambda: select.select([reading], [], [], 0)[0], "the line it had in hand, or the end")
            until(stands_still, "the next line, or the end")
        came = running.poll() is None
        kill(running)
        return came


def killed_at_request(project, place, number, when, *options):
    """Kill `up` right `before` or `after` the engine gets its so-manieth request that changes something."""
    seen, running = [], None

    def strike(method, path):
        if changes(method, path):
            seen.append((method, path))
            if len(seen) == number:
                kill(running)
                return DROP
        return None

    with gate(place, **{when: strike}) as url:
        running = project.start("up", *options, DOCKER_HOST=url)
        running.communicate(timeout=120)
        with contextlib.suppress(AssertionError):  # it came to its end before that
            until(lambda: len(seen) >= number or running.returncode == 0, "the request", 5)
    return seen[number - 1] if len(seen) >= number else None
