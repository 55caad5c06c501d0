"""Commands as they are typed, against an engine that answers badly: a code, what, why and a fix, in time."""

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tests.support import engine_server as bad
from tests.support import forked
from tests.support.engine_server import EngineServer, whole
from tests.support.tiers import first_of_each, slow_but

ENGINE_LIMIT = 15.0  # seconds, for commands without --timeout
STARTING = 25.0  # seconds, for so many programs at once on a busy machine; without a limit all wait for ever
LEAST_LIMIT = 5.0  # seconds, for those with a shorter one


class Project:
    """A directory with an engine of its own, and planodev in it."""

    def __init__(self, directory):
        self.directory = Path(directory)
        self.engine = EngineServer(self.directory / "d.sock")
        (self.directory / "project").mkdir()
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]

        self.environment = {
            **forked.AS_USUAL,
            "PATH": os.environ["PATH"],
            "HOME": str(self.directory),
            "DOCKER_HOST": self.engine.url,
            "DOCKER_CONFIG": str(self.directory),
            "ANTHROPIC_API_KEY": "x",
        }

    def command(self, *arguments):
        more = ("--plano", "native", "--port", str(self.port)) if arguments[0] == "up" else ()
        return [sys.executable, "-m", "planodev", *arguments, *more, "--json"]

    def begin(self, *arguments):
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        command, directory = self.command(*arguments), self.directory / "project"
        return subprocess.Popen(command, cwd=directory, env=self.environment, **pipes)

    def __call__(self, *arguments):
        """Run a command; returns its exit code, and what is wrong."""
        command, directory = self.command(*arguments), self.directory / "project"
        done = forked.run(command, cwd=directory, env=self.environment, timeout=60)
        return answer_of(done.returncode, done.stdout, done.stderr)

    @property
    def containers(self):
        return list(self.engine.engine.containers.values())


def answer_of(code, out, err):
    """Return a command's exit code, and the problem that it tells; `status` tells it as a warning."""
    assert "Traceback" not in err
    answer = json.loads(out)
    return code, answer["error"] or next(iter(answer["warnings"]), None)


@pytest.fixture
def project():
    with tempfile.TemporaryDirectory() as directory:
        project = Project(directory)
        yield project
        project.engine.stop()


PING, LIST = "GET /_ping", "GET /containers/json"
EARLY = bad.before_reading(whole(500, {"message": "no, thank you"}))

LOOKING = [
    (PING, bad.closes, "engine-lost"),
    (PING, bad.in_the_head, "engine-(lost|error)"),
    (PING, bad.in_the_middle, "engine-lost"),
    (PING, bad.page_500, "engine-error"),
    (PING, bad.forbidden, "engine-forbids"),
    (PING, bad.another_program, "engine-error"),
    (LIST, bad.closes, "engine-lost"),
    (LIST, bad.in_the_head, "engine-lost"),
    (LIST, bad.in_the_middle, "engine-lost"),
    (LIST, bad.in_a_chunk, "engine-lost"),
    (LIST, bad.between_chunks, "engine-lost"),
    (LIST, bad.forbidden, "engine-forbids"),
    (LIST, bad.page_500, "engine-refused"),
    (LIST, EARLY, "engine-refused"),
    ("GET /volumes", bad.forbidden, "engine-forbids"),
    ("GET /volumes", bad.in_a_chunk, "engine-lost"),
]


@pytest.mark.parametrize("command", ["status", "up"])
@pytest.mark.parametrize(("request_", "way", "code"), first_of_each(lambda row: row[1], LOOKING))
def test_an_engine_that_answers_badly_is_told_and_nothing_is_changed(project, command, request_, way, code):
    project.engine.bad.append((request_, way))
    exit_code, problem = project(command)
    assert re.fullmatch(code, problem["code"])
    assert problem["fix"]
    assert exit_code == {"engine-refused": 1}.get(problem["code"], 0 if command == "status" else 3)
    assert not project.containers
    assert [name.name for name in (project.directory / "project").iterdir()] == []


CREATE, PUT, START = "POST /containers/create", "PUT .*/archive", "POST .*/start"
CHANGING = [
    ("POST /volumes/create", bad.forbidden, "engine-forbids"),
    ("POST /volumes/create", bad.closes, "engine-lost"),
    (CREATE, bad.forbidden, "engine-forbids"),
    (CREATE, bad.page_500, "engine-refused"),
    (CREATE, bad.closes, "engine-lost"),
    (CREATE, bad.done_and_lost, "engine-lost"),
    (PUT, bad.forbidden, "engine-forbids"),
    (PUT, bad.page_500, "engine-refused"),
    (PUT, EARLY, "engine-refused"),
    (PUT, bad.closes, "engine-lost"),
    (PUT, bad.in_the_middle, "engine-lost"),
    (START, bad.forbidden, "engine-forbids"),
    (START, bad.closes, "engine-lost"),
    (START, bad.done_and_lost, "engine-lost"),
    (START, bad.page_500, "engine-refused"),
]


@pytest.mark.parametrize("gone", slow_but([False], [False, True]), ids=["", "gone for good"])
@pytest.mark.parametrize(("request_", "way", "code"), first_of_each(lambda row: row[1], CHANGING))
def test_an_up_that_ends_in_the_middle_is_finished_by_the_next(project, request_, way, code, gone):
    """Where the engine answers no more from then on, the container stays behind; else it is removed at once."""
    fails = way if not gone else bad.then_nothing_more(way)
    project.engine.bad.append((request_, fails))
    exit_code, problem = project("up", "--timeout", "0.1")
    assert problem["code"] == code
    assert problem["fix"]
    assert exit_code == (1 if code == "engine-refused" else 3)
    left = [found["State"]["Status"] for found in project.containers]
    if not gone:
        assert left == {bad.done_and_lost: {CREATE: ["created"], START: ["running"]}}.get(way, {}).get(request_, [])
    project.engine.bad.clear()
    exit_code, problem = project("up", "--timeout", "0.1")
    # Here no Postgres ever answers: that it is waited for means that all before it is as it should be.
    assert (exit_code, problem["code"]) == (6, "not-ready-in-time")
    (found,) = project.containers
    assert found["State"]["Status"] == "running"
    assert list(found["Files"]) == ["/etc"]


SLOW = [bad.silent, bad.dripping, bad.dripping_head, bad.endless]


# What is JSON, and no answer of Docker's API.
WRONG = [[{}], None, 7, True, "a\x1b[2J", [], [7], [None], [[]], {}, {"Volumes": 7}, {"Volumes": [7]}, {"Id": [1]}]
READ = [LIST, "GET /volumes", "GET /info", "GET /images/.*", "GET /containers/[^j].*", "POST /volumes/create", CREATE]


@pytest.mark.parametrize("request_", slow_but(READ[:2], READ))
def test_an_answer_of_another_shape_is_told_as_not_dockers_api(project, request_):
    for wrong in WRONG:
        project.engine.bad[:] = [(request_, bad.well(whole(200, wrong)))]
        for command in ("up", "status"):
            exit_code, problem = project(command, *(["--timeout", "1"] if command == "up" else []))
            known = problem["code"] if problem else ""
            assert known != "unexpected", (command, wrong, problem)
            # An empty list is one of no containers.
            if request_ == LIST and wrong != []:
                assert (known, exit_code) == ("engine-error", 0 if command == "status" else 3), (command, wrong)
                assert "its answer to `GET /containers/json` is not Docker's API: " in str(problem)


@pytest.mark.parametrize("way", slow_but([bad.dripping], SLOW))
def test_an_engine_that_takes_its_time_ends_within_the_limit(way):
    """All at once, since each takes its whole limit."""
    rows = [("up", at) for at in (PING, LIST, CREATE, PUT, START)]  # the quick ones first
    rows += [(command, at) for command in ("status", "verify") for at in (PING, LIST)]
    with tempfile.TemporaryDirectory() as directory:
        projects = []
        for index, (command, at) in enumerate(rows):
            (Path(directory) / str(index)).mkdir()
            project = Project(Path(directory) / str(index))
            project.engine.bad.append((at, way))
            more = ("--timeout", "1") if command == "up" else ()
            projects.append((project, project.begin(command, *more)))
        began = time.monotonic()
        for (command, at), (project, process) in zip(rows, projects, strict=True):
            out, err = process.communicate(timeout=60)
            exit_code, problem = answer_of(process.returncode, out, err)
            took = time.monotonic() - began
            limit = (LEAST_LIMIT if command == "up" else ENGINE_LIMIT) + STARTING
            assert took < limit, f"{command} at {at}, {way.__name__}: {took} s"
            assert problem["code"] == "engine-timed-out", f"{command} at {at}, {way.__name__}: {problem}"
            assert exit_code == (0 if command == "status" else 3)
            project.engine.stop()
