"""The fixes for a shell with a limit, or for a full disk, typed in that shell."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys

import pytest

from tests.support import away
from tests.support.requirements import require_namespace

ENV = "DB_USER=u\nDB_PASS=p\nDB_HOST=127.0.0.1\nDB_PORT=1\nDB_NAME=d\n"
FULL = """\
set -e
mkdir small
mount -t tmpfs -o size=400k tmpfs small
cd small
dd if=/dev/zero of=ballast bs=1k count=400 2>&- || true
set +e"""
# The code, what is typed before, the command, and what is typed as the words of the fix ask; None where it has it.
STATES = (
    ("disk-full", "exec > /dev/full", "status", ("free space where it is written", "exec > out")),
    ("output-unwritable", FULL, "production neon", ("free space on the disk of", "rm ballast")),
    ("output-unwritable", "ulimit -Sn 5", "production neon", None),
    ("env-file-unwritable", "ulimit -Sf 0", "keys set OPENAI_API_KEY <<<sk-1", None),
    ("output-open-to-others", "umask 022", "env > f", None),
)


@pytest.fixture
def shell(tmp_path, monkeypatch):
    """Return what types lines in a shell of its own, in a project with a `.env`; returns what it says on stderr."""
    away.from_everything(monkeypatch, tmp_path, "/usr/bin:/bin")
    program = f'planodev() {{ {shlex.quote(sys.executable)} -m planodev "$@"; }}'

    def typed(name, *lines):
        project = tmp_path / name
        project.mkdir()
        namespace = ["unshare", "-m"] if FULL in lines else []
        if namespace:
            require_namespace()
        else:
            (project / ".env").write_text(ENV)
            (project / ".env").chmod(0o600)
        done = subprocess.run(
            [*namespace, "bash", "-c", "\n".join([program, *lines])],
            cwd=project,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stderr

    return typed


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")
@pytest.mark.parametrize(("code", "before", "command", "by_hand"), STATES)
def test_what_is_typed_as_the_fix_says_ends_the_problem(shell, code, before, command, by_hand):
    first = shell("first", before, f"planodev {command}")
    assert f"[{code}]" in first, first
    fix = first.partition(f"[{code}]")[0].rpartition("\n")[2] + first.partition(f"[{code}]")[2]
    mends = [line for line in re.findall(r"`([^`]+)`", fix) if line.startswith(("ulimit -", "umask "))]
    if by_hand:
        says, line = by_hand
        assert says in fix, fix
        mends = [line]
    assert mends, fix
    again = shell("second", before, *mends, f"planodev {command}")
    assert f"[{code}]" not in again, again
