"""planodev as a process of its own, forked from one that has loaded it: a tenth of a second less for each command.

All that a command can see is its own, as of a process that was started: its arguments, environment, directory, pipes,
signals and end. What Python reads at a start alone (PYTHON*, the locale) cannot be, so a command that has these in
another way is started.
"""

from __future__ import annotations

import gc
import io
import json
import os
import pkgutil
import runpy
import selectors
import signal
import socket
import struct
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

from tests.support import copied_cluster

ROOT = Path(__file__).parents[2]
AT_START = ("PYTHON", "LANG", "LC_", "LD_", "TZ")  # how the names begin that are read at a start alone
# Programs for other Pythons, which do their work as they are loaded; and what a command is to load itself.
NOT_LOADED = {"planodev.__main__", "planodev.plano.validation", "planodev.production.compose"}
USUAL = {**os.environ, "LC_ALL": "C.UTF-8"}
AS_USUAL = {name: value for name, value in USUAL.items() if name.startswith(AT_START)}  # for an environment of few
USER = os.geteuid()
# What planodev loads only where it needs it, and is not itself loaded with it.
LIBRARIES = (
    "fasteners",
    "glob",
    "jinja2",
    "pickle",
    "platformdirs.unix",
    "psutil",
    "resource",
    "ruamel.yaml",
    "tomllib" if sys.version_info >= (3, 11) else "tomli",
)
LENGTH, END = struct.Struct("!I"), struct.Struct("!i")
_idle: list[Parent] = []  # one for each command that runs at the same time


def run(command, *, env, cwd, timeout):
    """Run a command to its end as `subprocess.run` does that captures text and gives no input.

    Args:
        command: forked where it is `[sys.executable, "-m", …]`.
        env: all of its environment.
        cwd: its directory.
        timeout: seconds until it is killed.

    Raises:
        subprocess.TimeoutExpired: it was killed.

    """
    if command[:2] != [sys.executable, "-m"] or not _as_usual(env):
        streams = {"capture_output": True, "text": True, "stdin": subprocess.DEVNULL}
        return subprocess.run(command, env=env, cwd=cwd, timeout=timeout, check=False, **streams)
    parent = _idle.pop() if _idle else Parent()
    done = parent.run(command, env, cwd, timeout)
    _idle.append(parent)
    return done


def _as_usual(env):
    at_start = {name: value for name, value in env.items() if name.startswith(AT_START)}
    return hasattr(os, "fork") and at_start == AS_USUAL and os.geteuid() == USER


class Parent:
    """The process that has loaded planodev; it runs one command at a time, and ends with this process."""

    def __init__(self) -> None:
        self.socket, theirs = socket.socketpair()
        command = [sys.executable, "-m", "tests.support.forked", str(theirs.fileno())]
        # Pipes, as those of the commands will be: Python looks at its streams when it starts.
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.process = subprocess.Popen(command, cwd=ROOT, env=USUAL, pass_fds=[theirs.fileno()], **streams)
        theirs.close()

    def run(self, command, env, cwd, timeout):
        os.umask(umask := os.umask(0))
        question = json.dumps([[*map(str, command[2:])], dict(env), str(cwd), umask]).encode()
        (out, out_end), (err, err_end) = os.pipe(), os.pipe()
        try:
            socket.send_fds(self.socket, [LENGTH.pack(len(question))], [out_end, err_end])
        finally:
            os.close(out_end)
            os.close(err_end)
        self.socket.sendall(question)
        began = self.socket.recv(LENGTH.size, socket.MSG_WAITALL)
        assert began, self.process.stderr.read().decode()
        (pid,) = LENGTH.unpack(began)
        said = {out: b"", err: b"", self.socket.fileno(): b""}
        end = time.monotonic() + timeout
        with selectors.DefaultSelector() as waiting:
            for file in said:
                waiting.register(file, selectors.EVENT_READ)
            while waiting.get_map():
                ready = waiting.select(max(0.0, end - time.monotonic()))
                if not ready and time.monotonic() >= end:
                    os.kill(pid, signal.SIGKILL)
                    self.socket.close()  # which ends the parent, too
                    raise subprocess.TimeoutExpired(command, timeout)
                for file in (key.fd for key, _ in ready):
                    piece = os.read(file, 65536)
                    said[file] += piece
                    if not piece or file == self.socket.fileno():
                        waiting.unregister(file)
        os.close(out)
        os.close(err)
        (code,) = END.unpack(said[self.socket.fileno()])
        return subprocess.CompletedProcess(command, code, _text(said[out]), _text(said[err]))


def _text(said):
    return io.TextIOWrapper(io.BytesIO(said)).read()


def serve(connection):
    """Fork for each question, and tell the process and its end; returns in each fork, with the words behind `-m`."""
    while True:
        length, files, _, _ = socket.recv_fds(connection, LENGTH.size, 2)
        if not length:
            sys.exit()  # who asked has ended
        question = connection.recv(LENGTH.unpack(length)[0], socket.MSG_WAITALL)
        pid = os.fork()
        if not pid:
            connection.close()
            words, environment, directory, umask = json.loads(question)
            os.umask(umask)
            for file, place in zip(files, (1, 2), strict=True):
                os.dup2(file, place)
                os.close(file)
            os.environ.clear()
            os.environ.update(environment)
            os.chdir(directory)
            sys.path[0] = directory
            return words
        for file in files:
            os.close(file)
        connection.sendall(LENGTH.pack(pid))
        _, state = os.waitpid(pid, 0)
        connection.sendall(END.pack(os.waitstatus_to_exitcode(state)))


if __name__ == "__main__":
    from planodev import rendering

    package = import_module("planodev")
    for found in pkgutil.walk_packages(package.__path__, "planodev."):
        if found.name not in NOT_LOADED:
            import_module(found.name)
    for library in LIBRARIES:
        import_module(library)
    for template in rendering.environment().list_templates(extensions=["j2"]):
        rendering.environment().get_template(template)  # which reads it again where it has been changed
    gc.collect()
    gc.freeze()  # so that what is loaded stays shared
    module, *sys.argv[1:] = serve(socket.socket(fileno=int(sys.argv[1])))
    if copied_cluster.VARIABLE in os.environ:
        copied_cluster.install()
    runpy.run_module(module, run_name="__main__", alter_sys=True)
