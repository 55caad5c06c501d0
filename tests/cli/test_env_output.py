"""`planodev env` says where its output, which has the password, goes into a file that others can read."""

from __future__ import annotations

import subprocess
import sys

import pytest

VALUES = "DB_USER=plano\nDB_PASS=a-password\nDB_HOST=127.0.0.1\nDB_PORT=5432\nDB_NAME=plano\n"


def env(tmp_path, target):
    (tmp_path / ".env").write_text(VALUES)
    (tmp_path / ".env").chmod(0o600)
    command = [sys.executable, "-m", "planodev", "-C", str(tmp_path), "env"]
    return subprocess.run(command, stdout=target, stderr=subprocess.PIPE, text=True, check=True).stderr


@pytest.mark.parametrize(("mode", "warns"), [(0o644, True), (0o640, True), (0o604, True), (0o600, False)])
def test_a_file_that_others_can_read_is_one_line_of_warning(tmp_path, mode, warns):
    with (tmp_path / "out").open("w") as target:
        (tmp_path / "out").chmod(mode)
        said = env(tmp_path, target)
    lines = [line for line in said.splitlines() if "others can read" in line]
    assert len(lines) == warns
    if warns:
        assert f"{mode:04o}" in lines[0]
        assert "a-password" not in said
    assert "DB_PASS=a-password" in (tmp_path / "out").read_text()


def test_a_pipe_is_nobodys_file(tmp_path):
    assert "others can read" not in env(tmp_path, subprocess.PIPE)
