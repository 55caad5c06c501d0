"""planodev as a process that writes a line into a file for every file that it opens to read.

Run as `python -m tests.support.opened FILE ARGUMENTS…`.
"""

from __future__ import annotations

import os
import runpy
import sys


def follow(report):
    """Write the path of each file that is opened to read from now on."""
    into = os.open(report, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(event, arguments):
        if event != "open":
            return
        path, _, flags = arguments
        reads = flags & os.O_ACCMODE == os.O_RDONLY and not flags & os.O_DIRECTORY
        if reads and isinstance(path, (str, bytes, os.PathLike)):
            os.write(into, os.fsencode(os.path.abspath(path)) + b"\n")

    sys.addaudithook(note)


if __name__ == "__main__":
    follow(sys.argv.pop(1))
    sys.argv[0] = "planodev"
    runpy.run_module("planodev", run_name="__main__")
