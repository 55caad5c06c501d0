"""The commands of the tests are forked from a process that has loaded planodev: they see what a started one sees."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support import forked
from tests.support.forked import USUAL

# Run as a module of its own, by both; it prints what a process can see of itself.
FACTS = """
import locale, os, resource, signal, sys
facts = [sys.argv, sys.path, sys.flags, dict(os.environ), os.getcwd(), os.geteuid(), os.getpgrp(), os.getsid(0)]
facts += [sorted(os.listdir("/proc/self/fd"))[:3] if os.path.isdir("/proc") else None, __name__, __spec__.name]
facts += [[f.encoding, f.errors, f.line_buffering, f.isatty(), f.seekable()] for f in (sys.stdout, sys.stderr)]
facts += [sys.stdin.encoding, sys.stdin.errors, sys.stdin.read(), locale.getpreferredencoding(), os.umask(0o022)]
facts += [sorted((s.name, str(signal.getsignal(s))[:20]) for s in signal.Signals if s in signal.valid_signals())]
facts += [resource.getrlimit(resource.RLIMIT_NOFILE)]
print(*facts, sep="\\n")
print("an error", file=sys.stderr)
if sys.argv[1:2] == ["killed"]:
    sys.stdout.flush()
    os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[1:2] == ["waits"]:
    signal.pause()
if sys.argv[1:2] == ["another"]:
    os.execlp("sh", "sh", "-c", "echo $0 $X; exit 9")
sys.exit(3)
"""


@pytest.fixture
def place(tmp_path):
    (tmp_path / "facts.py").write_text(FACTS)
    return tmp_path


def both(place, *arguments, **variables):
    how = {"env": {**USUAL, **variables}, "cwd": place, "timeout": 60}
    command = [sys.executable, "-m", "facts", *arguments]
    streams = {"capture_output": True, "text": True, "stdin": subprocess.DEVNULL}
    return subprocess.run(command, **how, **streams, check=False), forked.run(command, **how)


CASES = {(): 3, ("a b", "ü", "\udcff"): 3, ("killed",): -9, ("another",): 9}


@pytest.mark.parametrize("arguments", CASES, ids=ascii)
def test_it_sees_what_a_started_one_sees_and_ends_in_the_same_way(place, arguments):
    started, done = both(place, *arguments, X="a\nb", HOME=str(place))
    assert (vars(done), done.returncode) == (vars(started), CASES[arguments])


def test_one_leaves_nothing_to_the_next(place):
    for variables in ({"LATE": "1"}, {}):
        started, done = both(place, **variables)
        assert vars(done) == vars(started)


def test_what_python_reads_at_its_start_is_read_at_a_start(place):
    started, done = both(place, PYTHONUTF8="0", LC_ALL="C", PYTHONIOENCODING="latin-1")
    assert "latin-1" in done.stdout
    assert vars(done) == vars(started)


def test_one_that_takes_too_long_is_killed(place):
    with pytest.raises(subprocess.TimeoutExpired):
        forked.run([sys.executable, "-m", "facts", "waits"], env=USUAL, cwd=place, timeout=0.5)
    assert both(place)[1].returncode == 3
