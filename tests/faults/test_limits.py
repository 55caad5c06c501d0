"""A machine that has no more of something says of what, and what to do about it."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
import threading

import pytest

from planodev import unexpected
from planodev.cli.main import main
from tests.support import away
from tests.support.tiers import slow_but

ENV = "DB_USER=u\nDB_PASS=p\nDB_HOST=127.0.0.1\nDB_PORT=1\nDB_NAME=d\n"


@pytest.fixture
def project(tmp_path, monkeypatch):
    away.from_everything(monkeypatch, tmp_path, os.environ["PATH"])
    (tmp_path / "project").mkdir()
    (tmp_path / "project/.env").write_text(ENV)
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


def limited(arguments, kind, amount, **more):
    """Run planodev with less of something, once Python itself has started; returns the finished process."""
    program = (
        f"import resource; from planodev.__main__ import main; resource.setrlimit({kind}, ({amount}, {amount})); main()"
    )
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        stdout=more.get("stdout", subprocess.PIPE),
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )


def answers(done):
    said = (done.stdout or "") + done.stderr
    for word in ("Traceback", "[unexpected]", "itself failed"):
        assert word not in said, said
    assert done.returncode in range(8), said
    return said


@pytest.mark.parametrize("amount", slow_but((3, 5, 8), [*range(3, 9), 12]))
@pytest.mark.parametrize(
    "command", slow_but([["status"]], [["status"], ["doctor"], ["up", "--dry-run"]]), ids=lambda words: words[0]
)
def test_too_few_open_files_are_told_without_a_traceback(project, command, amount):
    answers(limited(command, resource.RLIMIT_NOFILE, amount))


@pytest.mark.parametrize(
    "command", [["status"], ["up", "--dry-run"], ["production", "neon"]], ids=lambda words: words[0]
)
def test_a_limit_on_what_may_be_written_is_told_without_a_traceback(project, command):
    answers(limited(command, resource.RLIMIT_FSIZE, 0))


@pytest.mark.parametrize(
    "command", [["status"], ["doctor"], ["up", "--dry-run"], ["verify"]], ids=lambda words: words[0]
)
def test_a_machine_without_more_threads_is_told_without_a_traceback(project, command, monkeypatch, capsys):
    def refused(_thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    code = main(command)
    out, err = capsys.readouterr()
    assert code in range(8)
    assert "unexpected" not in out + err
    assert "itself failed" not in out + err


@pytest.mark.skipif(not os.access("/dev/full", os.W_OK), reason="needs Linux")
@pytest.mark.parametrize("command", [["status"], ["--help"], ["status", "--json"], ["env"]], ids=" ".join)
def test_a_full_disk_behind_a_redirection(project, command):
    with open("/dev/full", "w") as full:
        done = limited(command, resource.RLIMIT_CORE, 0, stdout=full)
    assert done.returncode != 0
    assert "[disk-full]" in answers(done)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize(
    "command", slow_but(["status", "reset"], ["status", "doctor", "keys set OPENAI_API_KEY", "reset", "psql"])
)
def test_a_closed_stream_ends_no_command_with_a_traceback(project, command, closed):
    (project / "config.yaml").write_text(
        "version: v0.4.0\nmodel_providers: [{model: a/b, access_key: $OPENAI_API_KEY}]\n"
    )
    script = f'exec "$0" -m planodev {command}'
    done, open_ones = (
        subprocess.run(
            ["sh", "-c", f"{script} {ends}", sys.executable], capture_output=True, text=True, timeout=60, check=False
        )
        for ends in (closed, "</dev/null")
    )
    answers(done)
    assert done.returncode == open_ones.returncode
    shut = closed.split()
    assert bool(done.stdout) == (">&-" not in shut and bool(open_ones.stdout))
    assert bool(done.stderr) == ("2>&-" not in shut and bool(open_ones.stderr))


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_program_that_is_started_has_all_three_streams(project, closed):
    """Else the next file that it opens would get the number of a closed one, and what it prints."""
    script = f"\"$0\" -m planodev run -- sh -c 'for n in 0 1 2; do [ -e /proc/$$/fd/$n ] || exit 9; done' {closed}"
    assert subprocess.run(["sh", "-c", script, sys.executable], timeout=60, check=False).returncode == 0


RAISED = {
    "too-many-open-files": OSError(errno.EMFILE, "Too many open files", "/x"),
    "no-threads": BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"),
    "out-of-memory": MemoryError(),
    "disk-full": OSError(errno.ENOSPC, "No space left on device", "/x y"),
    "file-forbidden": PermissionError(errno.EACCES, "Permission denied", "/x y"),
    "file-unusable": IsADirectoryError(errno.EISDIR, "Is a directory", b"/x y"),
    "not-loaded": ModuleNotFoundError("No module named 'psycopg_c'"),
    "nested-too-deeply": RecursionError("maximum recursion depth exceeded"),
}


@pytest.mark.parametrize("code", RAISED)
def test_each_has_its_own_code_why_and_fix(code):
    error = unexpected.explain(RAISED[code])
    assert error.code == code
    assert error.fix
    assert error.why or code == "nested-too-deeply"
    if "/x y" in error.message and code != "disk-full":
        assert "'/x y'" in str(error.fix)
    assert unexpected.explain(RuntimeError("can't start new thread")).code == "no-threads"
    assert unexpected.explain(ImportError("x.so: Too many open files")).code == "too-many-open-files"


def test_what_nobody_expects_stays_a_bug():
    assert unexpected.explain(ZeroDivisionError("by zero")).code == "unexpected"
    assert unexpected.explain(OSError("no number")).code == "unexpected"
