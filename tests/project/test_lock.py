"""The project's lock: while one planodev has it, no other gets it, whoever the directories belong to."""

from __future__ import annotations

import os
import subprocess
import sys

import psutil
import pytest

from planodev.problems import BadInput, NotReady
from planodev.project import identity, lock

FIRST = """
import sys, pathlib
from planodev.project import identity, lock
with lock.hold(identity.at(pathlib.Path(sys.argv[1])), 5):
    print("held", flush=True)
    sys.stdin.read()
"""
SECOND = """
import sys, pathlib
from planodev.problems import NotReady
from planodev.project import identity, lock
try:
    with lock.hold(identity.at(pathlib.Path(sys.argv[1])), 0.1):
        print("has it too")
except NotReady as error:
    print(error.code)
"""


root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.mark.parametrize("owner", [os.geteuid(), pytest.param(12345, marks=root_only)])
def test_nobody_else_gets_it_while_it_is_held(tmp_path, monkeypatch, owner):
    state = tmp_path / "state"
    state.mkdir()
    os.chown(state, owner, -1)
    monkeypatch.setenv("XDG_STATE_HOME", str(state))
    with lock.hold(identity.at(tmp_path), 5):
        second = subprocess.run([sys.executable, "-c", SECOND, tmp_path], capture_output=True, text=True, check=True)
    assert second.stdout == "locked\n"


@pytest.fixture
def held(tmp_path, monkeypatch):
    """Have another process hold the lock of a directory, and give it a command that looks like planodev's."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    command = [sys.executable, "-c", FIRST, str(tmp_path), "/opt/bin/planodev", "up", "--name", "x\x1b[31m"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        yield holder
        holder.stdin.close()


def refused(directory):
    with pytest.raises(NotReady) as caught, lock.hold(identity.at(directory), 0.1):
        pass
    assert caught.value.problem.code == "locked"
    return caught.value.problem


@pytest.mark.skipif(sys.platform != "linux", reason="other kernels do not tell")
def test_who_holds_it_is_said(tmp_path, held):
    problem = refused(tmp_path)
    assert f"process {held.pid} holds it, `planodev up --name 'x\\x1b[31m'`, running since 20" in problem.why
    assert f"`kill {held.pid}`" in str(problem.fix)


def test_where_nobody_tells_who_holds_it_that_is_said(tmp_path, monkeypatch, held):
    monkeypatch.setattr(sys, "platform", "darwin")
    problem = refused(tmp_path)
    assert "this system does not say which process holds it" in problem.why
    assert "kill" not in str(problem.fix)


@pytest.mark.skipif(sys.platform != "linux", reason="other kernels do not tell")
def test_a_holder_that_cannot_be_looked_at_is_named_by_its_number(tmp_path, monkeypatch, held):
    def hidden(_):
        raise psutil.AccessDenied

    monkeypatch.setattr(psutil, "Process", hidden)
    assert f"process {held.pid} holds it, about which nothing else is known" in refused(tmp_path).why


def in_its_place(path, kind):
    """Put something else where the lock's file belongs."""
    {
        "a pipe": lambda: os.mkfifo(path),
        "a directory": path.mkdir,
        "a link to a file": lambda: path.symlink_to(path.parent / "another"),
        "a link to nothing": lambda: path.symlink_to("nothing"),
        "a link to itself": lambda: path.symlink_to(path.name),
        "a link to a device": lambda: path.symlink_to("/dev/zero"),
    }[kind]()


@pytest.mark.parametrize(
    "kind",
    ["a pipe", "a directory", "a link to a file", "a link to nothing", "a link to itself", "a link to a device"],
)
def test_what_is_no_file_of_its_own_is_no_lock_and_is_never_waited_for(tmp_path, monkeypatch, kind):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    path = lock._file(tmp_path)
    path.parent.mkdir(parents=True)
    (path.parent / "another").touch()
    in_its_place(path, kind)
    command = [sys.executable, "-c", FIRST, tmp_path]
    begun = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert begun.returncode == 1
    assert "BadInput: " in begun.stderr
    assert not (path.parent / "nothing").exists()
    lock.sweep([])  # passes it over
    assert os.path.lexists(path)


@root_only
@pytest.mark.parametrize("second_look", [True, False], ids=["", "put there between look and open"])
def test_root_gives_no_file_away_to_which_a_link_in_the_place_of_a_users_lock_leads(tmp_path, monkeypatch, second_look):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    path, roots = lock._file(tmp_path), tmp_path / "of-root"
    roots.write_text("secret")
    path.parent.mkdir(parents=True)
    path.symlink_to(roots)
    for directory in (path.parent, *list(path.parent.parents)[:2]):
        os.chown(directory, 12345, 12345)
    if not second_look:
        monkeypatch.setattr(lock, "_refuse_no_file", _first_passes(lock._refuse_no_file))
    with pytest.raises(BadInput), lock.hold(identity.at(tmp_path), 1):
        pass
    assert roots.stat().st_uid == 0
    assert roots.read_text() == "secret"


def _first_passes(real):
    """Return a look that finds nothing wrong the first time."""
    asked = []

    def look(path):
        asked.append(path)
        if len(asked) > 1:
            real(path)

    return look
