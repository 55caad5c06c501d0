"""Plano's container: what its supervisord does with the two programs. `config/supervisord.conf`, and seen."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from pathlib import Path

from tests.support.planoai_recorder import envsubst

APP = Path("/app")
RENDERED, READY = APP / "plano_config_rendered.yaml", APP / "plano_config_rendered.env_sub.yaml"
# Each line of a program is logged behind its name there.
PROGRAMS = {"[brightstaff]": APP / "brightstaff", "[plano_logs]": APP / "envoy"}


def main() -> None:
    told = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: told.set())
    say("INFO supervisord started with pid 1")
    if subprocess.run(["python", "-m", "planoai.config_generator"], cwd=APP, check=False).returncode:
        print("Config generation failed, shutting down", flush=True)
        say("WARN received SIGTERM indicating exit request")
        return
    READY.write_text(envsubst(RENDERED.read_text(), os.environ))
    started = [start(name, program, told) for name, program in PROGRAMS.items()]
    told.wait()
    say("WARN received SIGTERM indicating exit request")
    for process in started:
        process.terminate()
    for process in started:
        process.wait()
    # It ends with 0, whatever has ended it.


def start(name, program, told):
    """Start a program; once it ends, supervisord is told to end, and with it all others."""
    environment = {**os.environ, "PLANO_CONFIG_PATH_RENDERED": str(READY)}
    process = subprocess.Popen([program], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def log():
        for line in process.stdout:
            print(name, line, end="", flush=True)
        if process.wait() == -signal.SIGKILL:
            print("Killed", flush=True)  # by the shell that has started it, and without a name
        print(name, "Process exited, shutting down", flush=True)
        told.set()

    threading.Thread(target=log).start()
    return process


def say(text):
    print(f"{time.strftime('%Y-%m-%d %H:%M:%S')},000 {text}", flush=True)


if __name__ == "__main__":
    main()
