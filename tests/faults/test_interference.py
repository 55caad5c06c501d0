"""Faults around `up`: others at the same time, an impatient user, a full disk, a power cut, an engine that goes."""

from __future__ import annotations

import contextlib
import random
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from tests.support import evidence
from tests.support.docker_objects import remove_all
from tests.support.ports import free_port
from tests.support.project import Project
from tests.support.requirements import as_root, require
from tests.support.seed import SEED
from tests.support.virtual_machine import Machine, read, written_until
from tests.support.waiting import at_most, until

pytestmark = [pytest.mark.docker, pytest.mark.slow]

MODEL = ("--model", "anthropic/claude-sonnet-4-5")


@pytest.fixture
def filled(project):
    project("up", *MODEL)
    evidence.store(project, "a", "b")
    return project


def finish(runs):
    return [(run, *run.communicate(timeout=150)) for run in runs]


def of_path(api, path):
    return [c for c in api.containers(all=True) if c["Labels"].get("dev.planodev.path") == str(path)]


class TestAtTheSameTime:
    def test_eight_up_mend_a_removed_container_together(self, filled, api):
        rows = evidence.content(filled)
        api.remove_container(filled.status()["container"], force=True)
        filled.change(".env", "^DB_PASS=.*\n", "")
        for run, out, err in finish([filled.start("up") for _ in range(8)]):
            assert run.returncode == 0, err
            assert evidence.PROVED in out
        assert len(of_path(api, filled.path)) == 1
        assert (filled.path / ".env").read_text().count("DB_PASS=") == 1
        assert evidence.content(filled) == rows

    def test_up_against_down(self, filled):
        rows = evidence.content(filled)
        for _ in range(2):
            runs = [filled.start(*command) for command in (("up",), ("down", "--keep-data"), ("up",), ("down",))]
            for run, _, err in finish(runs):
                assert run.returncode == 0, err
            assert evidence.PROVED in filled("up").out
            assert evidence.content(filled) == rows

    def test_two_projects_want_one_port(self, make_project):
        first, second = make_project("one"), make_project("two")
        port = free_port()
        for project in (first, second):
            project.write(".env", f"DB_PORT={port}\n")
        for run, _, err in finish([first.start("up"), second.start("up")]):
            assert run.returncode == 0, err
        ports = {first.status()["port"], second.status()["port"]}
        assert len(ports) == 2
        assert port in ports
        evidence.store(first, "a")
        wanted = str(free_port())
        ends = finish([first.start("up", "--port", wanted), second.start("up", "--port", wanted)])
        assert sorted(run.returncode for run, *_ in ends) == [0, 4], [err for *_, err in ends]
        assert any("port-taken" in err for *_, err in ends)
        assert evidence.PROVED in first("up").out
        assert evidence.PROVED in second("up").out
        assert len(evidence.content(first)) == 1


def interrupted(project, number, moment, module=""):
    """Interrupt `up` after a moment, counted from when it has loaded a module: Python itself answers to none before."""
    variables = {"PYTHONPROFILEIMPORTTIME": "1"} if module else {}
    running = project.start("up", "--port", str(free_port()), **variables)
    loaded = ""
    while module and loaded.rpartition("|")[2].strip() != module:
        loaded = running.stderr.readline()
        assert loaded, f"`{module}` is never loaded"
    time.sleep(moment)  # noqa: TID251  the moment is the fault
    running.send_signal(number)
    with at_most(1, beside=4):
        out, err = running.communicate(timeout=30)
    err = "\n".join(line for line in err.splitlines() if not line.startswith("import time:"))
    return running.returncode, out, err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminated"])
def test_an_interrupt_at_any_moment_ends_within_a_second_with_what_finishes_it(filled, number):
    rows, moments = evidence.content(filled), random.Random(SEED)
    early = [(0.0, module) for module in ("planodev.problems", "click", "planodev.commands.up")]
    for moment, module in [*early, *((moments.uniform(0.12, 1.2), "") for _ in range(4))]:
        code, out, err = interrupted(filled, number, moment, module)
        told = f"PLANODEV_SEED={SEED}, after {module} {moment:.3f} s, exit {code}\n{err}"
        assert "Traceback" not in err, told
        if code:
            assert (code, out) == (130, ""), told
            said, *fix = err.splitlines()[-2:] if "  fix: " in err else err.splitlines()[-1:]
            assert said.endswith("✗ interrupted [interrupted]"), told
            assert not fix or (fix[0].startswith("  fix: run `planodev"), " up --port " in fix[0]) == (True, True), told
        assert evidence.PROVED in filled("up").out
        assert evidence.content(filled) == rows


@pytest.mark.parametrize("victim", ["postmaster", "backend"])
def test_no_acknowledged_row_is_lost_when_postgres_is_killed_while_rows_are_written(filled, api, victim):
    name = filled.status()["container"]
    with written_until(filled, victim) as acknowledged:
        if victim == "postmaster":
            api.kill(name)
        else:
            kill = "for p in /proc/[0-9]*; do grep -q 'postgres: [p]lano' $p/cmdline && kill -9 ${p#/proc/}; done; true"
            script = (
                f"until grep -lq 'postgres: [p]lano' /proc/[0-9]*/cmdline 2>/dev/null; do :; done; {kill} 2>/dev/null"
            )
            api.exec_start(api.exec_create(name, ["sh", "-c", script], user="root")["Id"])
    assert evidence.PROVED in filled("up").out
    assert acknowledged | {"a", "b"} <= read(filled)


@contextlib.contextmanager
def small_disk(path, size):
    as_root()
    path.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)], check=False).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def fill(path):
    """Write until nothing fits any more, not even a byte; returns what to remove."""
    with contextlib.suppress(OSError), (path / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(b"\0" * 4096)
    return path / "filler"


def test_a_full_project_directory_is_said_and_mended_by_room(tmp_path, api):
    with small_disk(tmp_path / "small", "64k"):
        project = Project(tmp_path / "small", tmp_path / "state", api)
        try:
            fill(project.path)
            full = project("up", *MODEL, code=2)
            assert evidence.one_line(full.err, ["why:", "No space left on device"])
            (project.path / "filler").unlink()
            project("up", *MODEL)
            evidence.store(project, "a")
            rows, old = evidence.content(project), (project.path / ".env").read_text()
            fill(project.path)
            full = project("up", "--port", str(free_port()), code=2)
            assert "[env-file-unwritable]" in full.err
            assert (project.path / ".env").read_text() == old
            (project.path / "filler").unlink()
            assert evidence.PROVED in project("up").out
            assert evidence.content(project) == rows
            assert sorted(p.name for p in project.path.iterdir()) == [".env", "config.yaml"]
        finally:
            remove_all(api, str(project.path))


def test_a_read_only_project_directory_is_refused_before_anything_is_touched(tmp_path, api, snapshot):
    with small_disk(tmp_path / "small", "64k"):
        project = Project(tmp_path / "small", tmp_path / "state", api)
        try:
            project("up", *MODEL)
            evidence.store(project, "a")
            rows = evidence.content(project)
            subprocess.run(["mount", "-o", "remount,ro", str(project.path)], check=True)
            before = evidence.engine(api, str(project.path)), evidence.files(project.path)
            refused = project("up", "--port", str(free_port()), code=2)
            assert "[directory-unwritable]" in refused.err
            assert (evidence.engine(api, str(project.path)), evidence.files(project.path)) == before
            assert evidence.content(project) == rows
            subprocess.run(["mount", "-o", "remount,rw", str(project.path)], check=True)
            assert evidence.PROVED in project("up").out
        finally:
            remove_all(api, str(project.path))


def test_a_full_volume_is_said_with_the_servers_log_and_mended_by_room(filled, tmp_path, api):
    """Move the data to a small disk under a volume of the same name and labels, and fill that."""
    filled.environment["PLANODEV_NAME"] = filled.status()["container"] + "-full"  # nobody takes it meanwhile
    filled("up")
    rows, names = evidence.content(filled), filled.status()
    labels = api.inspect_volume(names["volume"])["Labels"]
    old = Path(api.inspect_volume(names["volume"])["Mountpoint"])
    if not old.is_dir():
        pytest.skip("the engine's volumes are not on this machine")
    with small_disk(tmp_path / "disk", "160m") as disk:
        api.stop(names["container"])
        subprocess.run(["cp", "-a", f"{old}/.", str(disk)], check=True)
        api.remove_container(names["container"])
        api.remove_volume(names["volume"])
        options = {"type": "none", "o": "bind", "device": str(disk)}
        api.create_volume(names["volume"], driver_opts=options, labels=labels)
        try:
            assert evidence.PROVED in filled("up").out
            assert evidence.content(filled) == rows
            api.stop(names["container"])
            fill(disk)
            full = filled("up", code=6)
            assert evidence.one_line(full.err, ["why:", "No space left on device"])
            assert api.inspect_volume(names["volume"])["Labels"] == labels
            (disk / "filler").unlink()
            assert evidence.PROVED in filled("up").out
            assert evidence.content(filled) == rows
        finally:
            remove_all(api, str(filled.path))


@pytest.fixture
def machine(api):
    as_root()
    for program in ("unshare", "nsenter", "ip"):
        require(program)
    machine = Machine(Path(tempfile.mkdtemp(prefix="pd")))  # short: the path of a socket takes 107 characters
    try:
        machine.on()
        machine.api().load_image(b"".join(api.get_image("postgres:16")))
        yield machine
    finally:
        if machine.first:
            machine.off()
        shutil.rmtree(machine.place, ignore_errors=True)


def test_nothing_but_our_container_and_volume_is_left_behind(machine, tmp_path):
    project, api = machine.project("shop", tmp_path / "state"), machine.api()

    def containers():
        return {item["Id"] for item in api.containers(all=True)}

    project("up", "--port", "70000", code=2)
    project("up", "--model", "gpt-4o", code=2)
    project.write(".env", "DB_HOST=db.example.com\nDB_PASS=x\n")
    project("up", *MODEL, code=4)
    until(lambda: containers() == set(), "the end of every container")
    assert not api.volumes()["Volumes"]
    (project.path / ".env").unlink()
    project("up", *MODEL)
    project("verify")
    project.write("config.yaml", "version: v0.4.0\n")
    project("up", "--plano", "native", code=7)
    project("up", "--plano", "docker", code=7)
    mine = project.status()
    until(lambda: containers() == {api.inspect_container(mine["container"])["Id"]}, "the end of every other container")
    assert [volume["Name"] for volume in api.volumes()["Volumes"]] == [mine["volume"]]
    assert {item["Name"] for item in api.networks()} == {"bridge", "host", "none"}


def test_the_engine_stopped_and_started_and_the_power_cut_while_rows_are_written(machine, tmp_path):
    project = machine.project("shop", tmp_path / "state")
    project("up", *MODEL)
    with written_until(project, "before-the-stop") as acknowledged:
        machine.stop_engine()
    refused = project("up", code=3)
    assert "[engine-not-started]" in refused.err or "[no-socket]" in refused.err
    machine.start_engine()
    assert evidence.PROVED in project("up").out
    assert acknowledged <= read(project)

    with written_until(project, "before-the-cut") as more:
        machine.off()
    machine.on()
    project.inside = machine.space
    assert evidence.PROVED in project("up").out
    assert acknowledged | more <= read(project)


# A day forth and a day back each time that a process asks for the time of day.
JUMPING = """
import itertools, sys, time
jumps = itertools.cycle((86400, -86400))
asked, asked_ns, clock, clock_ns = time.time, time.time_ns, time.clock_gettime, time.clock_gettime_ns
time.time = lambda: asked() + next(jumps)
time.time_ns = lambda: asked_ns() + next(jumps) * 10**9
time.clock_gettime = lambda which: clock(which) + (next(jumps) if which == time.CLOCK_REALTIME else 0)
time.clock_gettime_ns = lambda which: clock_ns(which) + (next(jumps) * 10**9 if which == time.CLOCK_REALTIME else 0)
print("the clock jumps", file=sys.stderr)
"""


def test_the_wait_for_the_server_is_measured_by_a_clock_that_never_jumps(filled, api, tmp_path):
    rows, name = evidence.content(filled), filled.status()["container"]
    (tmp_path / "jumping").mkdir()
    (tmp_path / "jumping/sitecustomize.py").write_text(JUMPING)
    for _ in range(3):
        api.kill(name)  # so that the server has to recover, for which `up` waits
        done = filled("up", PYTHONPATH=str(tmp_path / "jumping"))
        assert "the clock jumps" in done.err
        assert evidence.PROVED in done.out
        assert evidence.content(filled) == rows
