"""An interruption ends planodev also where Python would drop it."""

from __future__ import annotations

import importlib
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest

from planodev.engines.docker import probe
from planodev.engines.embedded import cluster, directories, prepared

DROPPED = """
import sys
import weakref
import planodev.cli.main
from planodev.__main__ import main

class Thing: ...

def interrupt(reference):
    raise KeyboardInterrupt

def run(console):
    thing = Thing()
    reference = weakref.ref(thing, interrupt)
    del thing
    print("went on")

sys.modules["planodev.cli.main"].main = run
main()
"""


def test_in_a_callback_whose_exceptions_are_ignored():
    done = subprocess.run([sys.executable, "-c", DROPPED], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "✗ interrupted [interrupted]\n"


@pytest.fixture
def half_loaded():
    """Load a module in another thread while this one has its lock, as an import that was interrupted may leave it."""
    sys.modules.pop("wave", None)
    lock = importlib._bootstrap._get_module_lock("wave")
    lock.acquire()
    reached = threading.Event()

    def load(*_):
        reached.set()
        importlib.import_module("wave")

    yield SimpleNamespace(load=load, reached=reached)
    lock.release()


@pytest.mark.parametrize("engine", ["docker", "embedded"])
def test_cleaning_up_does_not_wait_for_a_module_that_was_loaded_by_half(engine, half_loaded, tmp_path, monkeypatch):
    if engine == "docker":
        monkeypatch.setattr(probe, "PATIENCE", 0.2)
        begun = probe.ProbeContainer(SimpleNamespace(make_container=half_loaded.load), "postgres:16", 60, [])
        end = begun.end
    else:
        monkeypatch.setattr(prepared, "PATIENCE", 0.2)
        monkeypatch.setattr(directories, "databases", lambda: tmp_path)
        monkeypatch.setattr(directories, "runner", lambda *_: None)
        monkeypatch.setattr(cluster, "make_directory", lambda _, directory: directory.path.mkdir())
        monkeypatch.setattr(cluster, "reached", lambda program: program)
        monkeypatch.setattr(cluster, "init", half_loaded.load)
        begun = prepared.PreparedCluster(SimpleNamespace(), SimpleNamespace(path=tmp_path), lambda: 15.0)
        end = begun.drop
    assert half_loaded.reached.wait(30)
    ends = threading.Thread(target=end, daemon=True)
    ends.start()
    ends.join(10)
    assert not ends.is_alive(), "it waits for ever"
    assert list(tmp_path.iterdir()) == []
