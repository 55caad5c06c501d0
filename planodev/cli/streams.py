"""The three standard streams, of which the parent process may have closed any."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress

_MODES = {"stdin": "r", "stdout": "w", "stderr": "w"}


def complete() -> None:
    """Have all three: what is written to a closed one goes nowhere, and there is nothing to read.

    Their numbers are taken at once. The next file that is opened would get the number of a closed one, and with it
    whatever a program prints there.
    """
    with suppress(OSError):
        for number in range(len(_MODES)):
            _take(number)
    for name, mode in _MODES.items():
        stream = getattr(sys, name)
        if stream is None:
            errors = "backslashreplace" if mode == "w" else None
            setattr(sys, name, open(os.devnull, mode, errors=errors))  # noqa: PTH123, SIM115  until the process ends
        elif name != "stdin" and isinstance(stream, io.TextIOWrapper):  # escapes what the encoding lacks
            stream.reconfigure(errors="backslashreplace")


def _take(number: int) -> None:
    """Open a descriptor where it is closed; those below it are open, so that it is the next free one."""
    try:
        os.fstat(number)
    except OSError:
        os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # noqa: FBT003  for the programs that are started
