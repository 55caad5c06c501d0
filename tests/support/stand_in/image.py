"""An image in which `planoai up --docker` starts the stand-in, made without a registry of what is on this machine.

It has both Pythons, that of the tests and that of planoai, at the paths that they have here, with what the two programs
and planoai's own renderer import.
"""

from __future__ import annotations

import importlib.metadata
import io
import json
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

from tests.support import left_over
from tests.support.docker_objects import MADE_HERE
from tests.support.requirements import planoai_python
from tests.support.stand_in.machine import PROGRAM, ROOT

NAME = "planodev-tests/plano"
SHELL = ["/bin/sh", "/bin/cat"]  # planodev looks by these; the `python` of the image has planoai
IMPORTED = ("psycopg", "psycopg-binary", "ruamel.yaml", "typing_extensions")  # by the two programs
OURS = ("__init__.py", "support/__init__.py", "support/planoai_recorder.py", "support/stand_in")
LEFT_OUT = (
    "__pycache__",
    "ensurepip",
    "idlelib",
    "lib2to3",
    "pip",
    "pygments",
    "python3.*/config-3.*",
    "test",
    "tkinter",
)
PLACES = "import json, sysconfig; print(json.dumps([sysconfig.get_path(name) for name in ('stdlib', 'purelib')]))"


def make(api):
    """Make the image, which is removed when all tests have ended; returns its name."""
    theirs = planoai_python()
    library, packages = json.loads(subprocess.check_output([theirs, "-c", PLACES], text=True))
    pythons = [Path(theirs).absolute(), Path(sys.executable).absolute()]
    environments = [str(python.parents[1] / "pyvenv.cfg") for python in pythons]
    programs = [*SHELL, *map(str, pythons)]
    modules = [library, sysconfig.get_path("stdlib"), packages, *imported()]
    ours = [str(ROOT / "tests" / name) for name in OURS]
    files = [*programs, *environments, *modules, *ours, *shared(programs, modules)]
    content = io.BytesIO(archive(files))
    with tarfile.open(fileobj=content, mode="a") as tar:
        add(tar, "usr/bin/python", f'#!/bin/sh\nexec {pythons[0]} "$@"\n')
        for name in ("brightstaff", "envoy", "container"):
            add(tar, f"app/{name}", PROGRAM.format(python=sys.executable, root=str(ROOT), name=name))
        for name in ("plano_config_schema.yaml", "envoy.template.yaml"):
            add(tar, f"app/{name}", Path(packages, "planoai/data", name).read_text())
        add(tar, "etc/envoy/README", "planoai's renderer writes here\n")
    changes = ["WORKDIR /app", 'ENTRYPOINT ["/app/container"]', f"LABEL {MADE_HERE}={left_over.run()}"]
    api.import_image_from_data(content.getvalue(), repository=NAME, tag=left_over.run().name, changes=changes)
    return f"{NAME}:{left_over.run().name}"


def imported():
    """Return the files of the packages that the two programs import."""
    every = [file for name in IMPORTED for file in importlib.metadata.files(name) or []]
    return sorted({str(file.locate().parents[len(file.parts) - 1] / file.parts[0]) for file in every})


def shared(programs, modules):
    """Return the shared libraries of programs and of modules, but for those that are among the modules."""
    compiled = [str(file) for place in modules for file in Path(place).rglob("*.so")]
    said = subprocess.run(["ldd", *programs, *compiled], capture_output=True, text=True, check=False).stdout
    found = {os.path.normpath(path) for path in re.findall(r"(/\S+) \(0x", said)}
    return sorted(path for path in found if not any(path.startswith(f"{place}/") for place in modules))


def archive(paths):
    """Return an archive of files and directories, with what links lead to in their place."""
    left_out = [f"--exclude=*/{name}" for name in LEFT_OUT]
    relative = [path.lstrip("/") for path in paths]
    return subprocess.check_output(["tar", "-C", "/", *left_out, "-ch", "-f", "-", *relative])


def add(tar, name, text):
    entry, content = tarfile.TarInfo(name), text.encode()
    entry.size, entry.mode = len(content), 0o755
    tar.addfile(entry, io.BytesIO(content))
