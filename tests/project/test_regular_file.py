"""Files are read up to a size, and nothing is waited for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from planodev.project import regular_file
from tests.support.waiting import at_most


@pytest.mark.skipif(not Path("/proc/kmsg").exists(), reason="needs Linux")
def test_what_counts_as_a_file_and_waits_for_more_is_refused(tmp_path):
    (tmp_path / ".env").symlink_to("/proc/kmsg")  # which only root may open
    with at_most(5), pytest.raises(OSError, match=r"would block|permitted|denied"):
        regular_file.read(tmp_path / ".env")


def test_a_file_that_is_larger_than_any_is_not_read(tmp_path):
    file = tmp_path / "large"
    file.write_bytes(b"x" * regular_file.LARGEST)
    assert len(regular_file.read(file)) == regular_file.LARGEST
    os.truncate(file, 50 * 10**9)
    with at_most(5), pytest.raises(OSError, match="larger than"):
        regular_file.read(file)


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="needs pipes of a shell")
def test_what_a_shell_has_made_is_read_to_its_end():
    reading, writing = os.pipe()
    os.write(writing, b"A=1\n")
    os.close(writing)
    assert regular_file.read(Path(f"/dev/fd/{reading}")) == b"A=1\n"
    os.close(reading)
