"""A run of the tests that is killed, told to end or interrupted leaves nothing: at once, or once the next has begun."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.support import left_over
from tests.support.project import usual_signals
from tests.support.tiers import slow_but
from tests.support.waiting import until

pytestmark = pytest.mark.each_engine(slow="docker")

ROOT = Path(__file__).parents[2]
KINDS = [signal.SIGKILL, signal.SIGTERM, signal.SIGINT]  # the last one is pytest's own
ONE = """
import signal
from pathlib import Path

import pytest


@pytest.mark.{engine}
def test_one(project, tmp_path, {fixture}):
    project("up", "--model", "ollama/llama3.1")
    {also}
    with open({place!r} + "/there", "w") as file:
        print({server}, file=file)
    signal.pause()
"""


@pytest.mark.parametrize("number", slow_but(KINDS[:1], KINDS), ids=lambda number: number.name)
def test_a_run_leaves_nothing(engine, base, number, request):
    docker = engine == "docker"
    api = request.getfixturevalue("api") if docker else None
    given = {"fixture": "base", "also": "", "server": "project.pid()"}
    if docker:
        given = {"fixture": "foreign_container", "also": "foreign_container('left')"}
        given["server"] = "project.container()['Id']"
    text = ONE.format(engine=engine, place=str(base), **given)
    (base / "test_one.py").write_text(text)
    (base / "tmp").mkdir()
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "tests.conftest", "-c"]
    command += [str(ROOT / "pyproject.toml"), "--rootdir", str(base)]
    where = {"cwd": base, "env": {**os.environ, "TMPDIR": str(base / "tmp"), "PYTHONPATH": str(ROOT)}}
    with (base / "log").open("w") as log:
        run = subprocess.Popen(
            [*command, "test_one.py"],
            **where,
            stdout=log,
            stderr=log,
            preexec_fn=usual_signals,  # noqa: PLW1509
        )

    def begun():
        assert run.poll() is None, (base / "log").read_text()
        return (base / "there").exists() and (base / "there").read_text().endswith("\n")

    until(begun, (base / "log").read_text)
    server = (base / "there").read_text().strip()

    def left():
        if docker:
            return [name for item in api.containers(all=True) for name in [item["Id"], *item["Names"]]]
        return [number for number in psutil.pids() if number == int(server)]

    def kept():
        return list((base / "tmp").glob(f"{left_over.PREFIX}*"))

    run.send_signal(number)
    run.wait(60)
    if number == signal.SIGKILL:
        assert server in map(str, left())
        assert kept()
        subprocess.run([*command, "--collect-only", "test_one.py"], **where, capture_output=True, check=True)
    assert server not in map(str, left())
    assert "/left" not in left()
    assert kept() == []
