"""planodev at a pseudo-terminal."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time


def on_terminal(project, *arguments, answers=(), keys=None, timeout=60):
    """Run at a pseudo-terminal, typing each answer when its question has been asked; returns (code, screen)."""
    import pty

    pid, screen = pty.fork()
    if pid == 0:
        os.chdir(project.path.parent)
        os.environ.clear()
        os.environ.update({**project.environment, "TERM": "xterm", **(keys or {})})
        command = project.command(*arguments)
        os.execv(command[0], command)
    shown, waiting, end = b"", list(answers), time.monotonic() + timeout
    with contextlib.suppress(OSError):
        while True:
            if not select.select([screen], [], [], max(0.0, end - time.monotonic()))[0]:
                os.kill(pid, signal.SIGKILL)  # it waits for an answer that nobody gives
                break
            piece = os.read(screen, 65536)
            if not piece:
                break
            shown += piece
            if waiting and waiting[0][0].encode() in shown:
                os.write(screen, waiting.pop(0)[1].encode())
    _, state = os.waitpid(pid, 0)
    os.close(screen)
    return os.waitstatus_to_exitcode(state), shown.decode(errors="replace")
