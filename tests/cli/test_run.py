"""`planodev run` becomes the command: its process, signals, streams and exit code are the command's own."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys

import pytest

from planodev.cli.become import become
from planodev.commands.run_and_env import Launch
from planodev.problems import CommandNotStarted
from tests.support.terminal import on_terminal
from tests.support.tiers import slow_but

pytestmark = pytest.mark.docker


@pytest.mark.parametrize("code", slow_but((0, 7, 255), [0, 1, 7, 42, 130, 255]))
def test_the_exit_code_is_the_commands_own(ready, code):
    assert ready("run", "--", "sh", "-c", f"echo out; echo err >&2; exit {code}", code=code).out == "out\n"


def test_a_command_that_a_signal_ends_is_seen_to_be_ended_by_it(ready):
    ready("run", "--", "sh", "-c", "kill -KILL $$", code=-signal.SIGKILL)


@pytest.mark.parametrize("number", slow_but([signal.SIGINT], [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]))
def test_signals_reach_it_since_it_is_the_same_process(ready, number):
    running = ready.start("run", "--", "sh", "-c", "echo $$; exec sleep 30")
    assert int(running.stdout.readline()) == running.pid
    running.send_signal(number)
    assert running.wait(timeout=30) == -number
    running.communicate()


def test_it_can_handle_a_signal_itself(ready):
    script = "trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.05; done"
    running = ready.start("run", "--", "sh", "-c", script)
    assert running.stdout.readline() == "ready\n"
    running.send_signal(signal.SIGTERM)
    assert (running.communicate(timeout=30)[0], running.returncode) == ("bye\n", 3)


def test_a_closed_pipe_ends_it_as_it_would_without_planodev(ready):
    line = f"{shlex.join(ready.command('run', '--', 'yes'))} | head -n 1"
    bash = ["bash", "-o", "pipefail", "-c", line]
    done = subprocess.run(bash, env=ready.environment, capture_output=True, text=True, check=False, timeout=30)
    assert (done.stdout, done.stderr, done.returncode) == ("y\n", "", 141)
    if sys.platform == "linux":
        ignored = ready("run", "--", "grep", "SigIgn", "/proc/self/status").out.split()[1]
        assert int(ignored, 16) & ((1 << signal.SIGPIPE - 1) | (1 << signal.SIGXFSZ - 1)) == 0


def test_standard_input_is_its_own(ready):
    command = ready.command("run", "--", "cat")
    done = subprocess.run(command, env=ready.environment, input=b"\x00one\r\ntwo", capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"\x00one\r\ntwo", b"")


def test_the_terminal_is_its_own(ready):
    command = ["sh", "-c", "test -t 0 && test -t 1 && test -t 2 && read word && echo got-$word"]
    code, screen = on_terminal(ready, "run", "--", *command, answers=[("", "hello\n")])
    assert (code, "got-hello" in screen) == (0, True), screen


def test_arguments_arrive_as_they_were_typed(ready):
    words = ["a b", "", "--json", "-q", "-C", "$HOME", "*", "'\"\\", "--plano", "--help", "ü\n"]
    done = ready("run", "--", "printf", "%s|", *words)
    assert (done.out, done.err) == ("".join(f"{word}|" for word in words), "")


def test_it_runs_in_the_project_with_what_the_shell_has(ready):
    done = ready(
        "run", "--", "sh", "-c", "pwd; echo $PWD; echo $OTHER; echo $DB_USER; echo $XDG_STATE_HOME", OTHER="x y"
    )
    here = str(ready.path)
    assert done.out.splitlines() == [here, here, "x y", "plano", ready.environment["XDG_STATE_HOME"]]


def test_a_command_that_is_not_there_or_cannot_be_run(ready, tmp_path):
    missing = ready("run", "--", "no-such-program", code=127)
    assert (missing.out, "[command-not-started]" in missing.err, "  fix: " in missing.err) == ("", True, True)
    (tmp_path / "empty").mkdir()
    without = ready("run", "--", "planoai", "--version", code=127, PATH=str(tmp_path / "empty"))
    assert "`pipx install planoai`" in without.err  # pip would put it off this PATH
    (tmp_path / "plain").write_text("#!/bin/sh\n")
    for path in (tmp_path / "plain", tmp_path):
        refused = ready("run", "--", str(path), code=126)
        assert (refused.out, "[command-not-started]" in refused.err) == ("", True)


def test_nothing_to_run_is_a_usage_error(ready):
    for arguments in (["run"], ["run", "--"], ["run", "--plano", "nowhere", "--", "true"]):
        done = ready(*arguments, code=2)
        assert (done.out, "  fix: " in done.err) == ("", True), done.err


def test_without_a_database_it_says_what_to_do_and_runs_nothing(project, tmp_path):
    done = project("run", "--", "touch", str(tmp_path / "ran"), code=7)
    assert ("[env-file-incomplete]" in done.err, (tmp_path / "ran").exists()) == (True, False)
    assert f"`planodev -C {project.path} up`" in done.err
    assert project("env", code=7).out == ""


def test_the_password_is_not_in_its_arguments(ready):
    running = ready.start("run", "--", "sh", "-c", "echo; exec sleep 30")
    running.stdout.readline()
    if os.path.exists(f"/proc/{running.pid}/cmdline"):
        with open(f"/proc/{running.pid}/cmdline") as file:
            assert ready.env["DB_PASS"] not in file.read()
    running.kill()
    running.communicate()


def test_a_command_that_did_not_start_leaves_the_signals_of_this_process_as_they_were(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = signal.getsignal(signal.SIGPIPE)
    (tmp_path / "plain").touch()
    for command in ("no-such-program", str(tmp_path / "plain")):
        with pytest.raises(CommandNotStarted):
            become(Launch((command,), tmp_path, {"PATH": "/usr/bin"}))
        assert signal.getsignal(signal.SIGPIPE) == before
