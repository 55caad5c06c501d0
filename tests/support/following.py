"""Problems as they are printed, and their fixes as a person follows them: over the command line on a fake engine."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.on_fake import CommandLine
from tests.support.requirements import require

_SAID = re.compile(r"^\S+ .*\[([a-z][a-z0-9-]+)\]$")


class Follower(CommandLine):
    """planodev typed in a directory, where the fixes that it prints are typed as well."""

    def __init__(self, directory, home, monkeypatch, capsys, at_end):
        directory.mkdir(parents=True)
        super().__init__(directory, home, monkeypatch, capsys)
        self.home, self.place = home, directory
        # Short, as the path of a socket takes 107 characters.
        self.sockets = Path(tempfile.mkdtemp(prefix="pd"))
        at_end(lambda: shutil.rmtree(self.sockets))
        # Commands of other programs, as patterns, and what each does in their stead.
        self.others = {}
        self.at_end = at_end

    def write(self, name, text):
        (self.directory / name).write_text(text)

    def change(self, name, old, new):
        path = self.directory / name
        text = path.read_text()
        assert old in text, (old, text)
        path.write_text(text.replace(old, new))

    def typed(self, words, said=""):
        """Type a command, with what is piped into it; returns how it ended, and what it said."""
        stdin = io.TextIOWrapper(io.BytesIO(said.encode()))
        with self.monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", stdin)
            patch.setattr(os, "execve", _become)
            return self(*words)

    def shell(self, line):
        """Type a line that is no command of planodev, and keep what it has changed of the shell."""
        if line.startswith("git "):
            require("git")
        kept = self.home / "shell"
        show = "import os, json; json.dump([os.getcwd(), dict(os.environ)], open(os.environ['KEPT'], 'w'))"
        after = f"KEPT={shlex.quote(str(kept))} {shlex.quote(sys.executable)} -c {shlex.quote(show)}"
        done = subprocess.run(
            ["bash", "-c", f"{line} || exit\n{after}"],
            cwd=self.directory if self.directory.is_dir() else self.home,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (line, done.stderr)
        directory, environment = json.loads(kept.read_text())
        if self.directory.is_dir():
            self.directory = Path(directory)
        for name in {*os.environ} - {*environment}:
            self.monkeypatch.delenv(name)
        for name, value in environment.items():
            if name not in ("_", "KEPT", "SHLVL", "PWD", "OLDPWD") and os.environ.get(name) != value:
                self.monkeypatch.setenv(name, value)

    def follow(self, alternative, said=""):
        """Type the commands of one way out, in their order; returns those of planodev, each with how it ended."""
        typed = []
        for line in re.findall(r"`([^`]+)`", alternative):
            if line.startswith("planodev "):
                words = shlex.split(line)[1:]
                typed.append((words, self.typed(words, said)))
            elif does := self.does(line):
                does(self)
            elif _is_command(line):
                self.shell(line)
        return typed

    def does(self, line):
        """Return what a command of another program does, where one stands for it."""
        return next((does for pattern, does in self.others.items() if re.fullmatch(pattern, line)), None)

    def ways(self, fix):
        """Return the ways out that a fix offers, each of which has a command."""
        found = re.split(r"; or |; for |; to use |, or | or (?=`)|; (?=`)", fix)
        return [way for way in found if any(map(self.is_command, re.findall(r"`([^`]+)`", way)))]

    def is_command(self, line):
        """Say whether a part of a fix is carried out by `follow`."""
        return line.startswith("planodev ") or self.does(line) or _is_command(line)


def _become(program, *_):
    """Stand for the program that planodev becomes: one that does nothing, where it is there."""
    if not shutil.which(program):
        raise FileNotFoundError(program)


def _is_command(line):
    return (
        re.match(r"(?:\(umask|kill|unset|export|mkdir|rm|rmdir|mv|chmod|sed|iconv|git|touch|echo) \S", line)
        and "…" not in line
    )


def told(done):
    """Return what was told on stderr: the code of each problem, with its fix."""
    found, code = {}, None
    for line in done.err.splitlines():
        if head := _SAID.match(line):
            code = head[1]
            found.setdefault(code, "")
        elif code and line.startswith("  fix: "):
            found[code] += line[7:]
        elif code and found[code] and not line.startswith(("  ", "✓", "!", "✗")):
            found[code] += "\n" + line
    return found
