"""Completion in the shells themselves."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.tiers import first_of_each

# What each shell completes of a line, without a terminal.
ASK = {
    "bash": """
        eval "$(_PLANODEV_COMPLETE=bash_source planodev)"
        COMP_WORDS=({line}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
        _planodev_completion planodev; printf '%s\\n' "${{COMPREPLY[@]}}"
    """,
    # What the shell's own part does works only while it reads a line: here it prints what it is handed.
    "zsh": """
        compdef() {{ :; }}; _describe() {{ print -l -- ${{(P)3}}; }}; compadd() {{ print -l -- ${{(P)5}}; }}
        eval "$(_PLANODEV_COMPLETE=zsh_source planodev)"
        words=({line}); CURRENT=$#words; _planodev_completion; true
    """,
    "fish": "_PLANODEV_COMPLETE=fish_source planodev | source; complete -C '{line}'",
}


@pytest.fixture
def ask(tmp_path):
    """Return a function that has a shell complete a line and returns what it offers."""
    program = Path(sys.executable).with_name("planodev")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/planodev").symlink_to(program)
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"

    def complete(shell, line):
        if not shutil.which(shell):
            pytest.skip(f"{shell} is not installed")
        command = [shell, *(["-f"] if shell == "zsh" else []), "-c", ASK[shell].format(line=line)]
        environment = {"PATH": path, "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"}
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    return complete


@pytest.mark.parametrize("shell", ASK)
@pytest.mark.parametrize(
    ("line", "offered", "left_out"),
    first_of_each(
        lambda row: len(row[0].split()) < 4,
        [
            ("planodev st", "status", "verify"),
            ("planodev up --engine em", "embedded", "docker"),
            ("planodev up --dry", "--dry-run", "--yes"),
            ("planodev -C . env --format po", "powershell", "dotenv"),
            ("planodev -C . production su", "supabase", "neon"),
            ("planodev up --template resp", "responses", "support-agent"),
        ],
    ),
)
def test_a_shell_completes_commands_options_and_values(ask, shell, line, offered, left_out):
    found = ask(shell, line)
    assert offered in found
    assert left_out not in found


def test_a_shell_that_is_not_known_is_a_failure_and_no_closed_pipe():
    environment = {**os.environ, "_PLANODEV_COMPLETE": "nosuch_source"}
    done = subprocess.run([sys.executable, "-m", "planodev"], env=environment, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (1, b"")
