"""The project's lock: while one planodev has it, no other gets it, whoever the directories belong to."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from planodev.project import identity, lock

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
