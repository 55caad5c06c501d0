"""A root without the rights over files that root has: modes keep it out as they keep out every other user."""

from __future__ import annotations

import ctypes
import os
import struct
import sys

from tests.support.requirements import missing

# linux/capability.h: CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH and CAP_FOWNER.
_OVER_FILES = 0b1111
_VERSION_3 = 0x20080522
# linux/prctl.h and linux/securebits.h: by it access(2), too, judges by the rights that are left.
_SET_SECUREBITS, _NO_SETUID_FIXUP = 28, 1 << 2


def take(at_end):
    """Take the rights from this thread, and from those that it starts; `at_end` is given what gives them back."""
    if os.name != "posix" or os.geteuid():
        return
    if sys.platform != "linux":
        missing("Linux")
    libc = ctypes.CDLL(None, use_errno=True)
    header = ctypes.create_string_buffer(struct.pack("=Ii", _VERSION_3, 0), 8)
    before = ctypes.create_string_buffer(24)
    if libc.capget(header, before) or libc.prctl(_SET_SECUREBITS, _NO_SETUID_FIXUP, 0, 0, 0):
        missing("leave to do without root's rights")
    words = list(struct.unpack("=6I", before.raw))
    words[0] &= ~_OVER_FILES
    if libc.capset(header, ctypes.create_string_buffer(struct.pack("=6I", *words), 24)):
        missing("leave to do without root's rights")

    def give_back():
        libc.capset(header, before)
        libc.prctl(_SET_SECUREBITS, 0, 0, 0, 0)

    at_end(give_back)
