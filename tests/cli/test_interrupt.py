"""An interruption ends planodev also where Python would drop it."""

from __future__ import annotations

import subprocess
import sys

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
