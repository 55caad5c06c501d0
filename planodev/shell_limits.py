"""The limits of a shell that keep a file from being opened or written."""

from __future__ import annotations

import errno


def raising(number: int | None) -> str | None:
    """Return the fix for an error number that such a limit gives, None for any other."""
    if number == errno.EFBIG:
        return "raise this shell's limit for files: `ulimit -f unlimited`"
    if number in (errno.EMFILE, errno.ENFILE):
        return "raise this shell's limit of open files: `ulimit -n 1024`"
    return None
