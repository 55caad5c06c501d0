"""A HOME of its own in which the real planoai starts the stand-in: one Plano, as a machine has one."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[3]
# planoai 0.4.39 without its question to PyPI for a newer one.
PLANOAI = """
from planoai import main
main.get_latest_version = lambda *_: None
main.main(prog_name="planoai")
"""
PROGRAM = """#!{python}
import sys
sys.path.insert(0, {root!r})
from tests.support.stand_in import {name}
{name}.main()
"""
# What planoai 0.4.39 finds there is not downloaded: `native_binaries.py`, `consts.py`.
VERSIONS = {"bin/brightstaff": "0.4.39", "bin/envoy": "v1.37.8", "plugins/wasm": "0.4.39"}


class Machine:
    """A home directory, and what is on its PATH; `environment` is for planodev and for planoai alike."""

    def __init__(self, base: Path, python: str) -> None:
        """Make the home.

        Args:
            base: where it gets a directory.
            python: a Python that has planoai.

        """
        self.home = base / "home"
        programs = base / "programs"
        programs.mkdir(parents=True)
        for name, version in VERSIONS.items():
            file = self.home / f".plano/{name}.version"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(version)
        for name in ("brightstaff", "envoy"):
            self._program(
                self.home / ".plano/bin" / name, PROGRAM.format(python=sys.executable, root=str(ROOT), name=name)
            )
        for name in ("prompt_gateway", "llm_gateway"):
            (self.home / f".plano/plugins/{name}.wasm").touch()
        (programs / "run_planoai.py").write_text(PLANOAI)
        command = shlex.join([python, str(programs / "run_planoai.py")])
        self._program(programs / "planoai", f'#!/bin/sh\nexec {command} "$@"\n')
        path = f"{programs}{os.pathsep}{os.environ['PATH']}"
        self.environment = {"HOME": str(self.home), "PATH": path, "COLUMNS": "100"}

    def _program(self, path, text):
        path.write_text(text)
        path.chmod(0o755)

    def planoai(self, project, *arguments, **variables):
        """Run planoai by hand, as somebody does who does not know of `planodev run`."""
        return subprocess.run(
            ["planoai", *arguments],
            cwd=project.path,
            env={**project.environment, **self.environment, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    @property
    def pids(self):
        numbers = json.loads((self.home / ".plano/run/plano.pid").read_text())
        return {name: numbers[f"{name}_pid"] for name in ("brightstaff", "envoy")}

    def kill(self, name):
        """End one of Plano's programs as a crash does, and wait until it is gone."""
        number = self.pids[name]
        os.kill(number, signal.SIGKILL)
        with contextlib.suppress(psutil.NoSuchProcess):  # it has ended already
            psutil.Process(number).wait(30)

    def clean(self):
        """End every Plano of this home."""
        ended = []
        for process in psutil.process_iter(["cmdline"]):
            if any(word.startswith(str(self.home / ".plano/bin")) for word in process.info["cmdline"] or []):
                process.kill()
                ended.append(process)
        psutil.wait_procs(ended, timeout=10)
