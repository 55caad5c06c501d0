"""The promises of the main job, on the engine that `tests/alone` has started; what was seen goes into a file.

These tests are run by `tests/every_engine/run.py`, once for each engine. Other runs leave them out.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from pathlib import Path

import docker
import pytest

from tests.support.docker_objects import remove_all
from tests.support.ports import free_port
from tests.support.project import Project

SOCKET = os.environ.get("TEST_ENGINE_SOCKET")
collect_ignore_glob = [] if SOCKET else ["test_*.py"]
SEEN: dict = {"promises": {}, "seconds": {}}


@pytest.fixture(scope="session")
def api():
    client = docker.APIClient(base_url=f"unix://{SOCKET}", version="auto", timeout=60)
    version, info = client.version(), client.info()
    components = {item["Name"]: item["Version"] for item in version.get("Components") or []}
    SEEN["version"] = components.get("Podman Engine") or version["Version"]
    SEEN["product"] = "Podman" if "Podman Engine" in components else "Docker"
    SEEN["storage"] = info["Driver"]
    return client


@pytest.fixture
def make_project(tmp_path, api):
    made = []

    def make(name="shop"):
        project = Project(tmp_path / name, tmp_path / "state", api)
        # Docker's own variables would lead past the socket that people have.
        project.environment = {k: v for k, v in project.environment.items() if not k.startswith("DOCKER_")}
        # A port of its own: what an engine has left of an earlier test at a port is that test's failure.
        project.environment["PLANODEV_PORT"] = str(free_port())
        project.environment["PLANODEV_TIMEOUT"] = "20"  # what fails shall say so before this test's patience ends
        if os.environ["TEST_ENGINE_KIND"].startswith("podman") and os.environ["TEST_ENGINE_KIND"].endswith("rootless"):
            project.environment["PLANODEV_PLANO"] = (
                "native"  # the way that is left there; a test that asks for another does
            )
        made.append(project)
        return project

    yield make
    with contextlib.suppress(Exception):  # a later test says so if something of this is in its way
        remove_all(api, str(tmp_path))


@pytest.fixture
def project(make_project):
    return make_project()


class TooLong(BaseException):
    """A test waits for an engine that hangs; nothing catches this by accident."""


@pytest.fixture(autouse=True)
def patience():
    """End a test that hangs, so that the next has its turn."""

    def end(*_):
        raise TooLong("no end after 60 seconds")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def pytest_collection_modifyitems(items):
    for item in items:
        item.add_marker(pytest.mark.every_engine)


def _reason(report):
    """Return the line of a failed test that says most."""
    crash = getattr(getattr(report.longrepr, "reprcrash", None), "message", "") or str(report.longrepr)
    lines = [line.strip() for line in crash.splitlines() if line.strip()]
    told = [line for line in lines if line.startswith(("✗", "exit ", "Error", "error"))]
    return " ".join((told[1:2] or told or lines)[:1])[:200]


def pytest_runtest_logreport(report):
    name = report.nodeid.rpartition("::test_")[2]
    if report.when == "call" or report.failed:
        SEEN["promises"].setdefault(name, "holds")
        SEEN["seconds"][name] = round(report.duration, 1)
        if report.failed:
            SEEN["promises"][name] = f"fails: {_reason(report)}"


def pytest_sessionfinish(session):
    if target := os.environ.get("TEST_ENGINE_RESULTS"):
        SEEN["when"] = time.strftime("%Y-%m-%d")
        Path(target).write_text(json.dumps(SEEN, indent=2) + "\n")
