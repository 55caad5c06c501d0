"""What all tests share: whether an engine answers, and a loud last line where none does."""

from __future__ import annotations

import os

import pytest


def engine_answers() -> bool:
    import docker

    try:
        return docker.APIClient(version="auto", timeout=10).ping()
    except Exception:  # any failure means that there is none to use
        return False


def pytest_collection_modifyitems(config, items):
    wanted = [item for item in items if "docker" in item.path.parts]
    for item in wanted:
        item.add_marker(pytest.mark.docker)
    if not wanted or engine_answers():
        return
    for item in wanted:
        item.add_marker(pytest.mark.skip(reason="no Docker Engine answers"))
    config.stash[NOT_RUN] = len(wanted)


NOT_RUN = pytest.StashKey[int]()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session, exitstatus):
    if session.config.stash.get(NOT_RUN, 0) and os.environ.get("CI"):
        session.exitstatus = 1


def pytest_unconfigure(config):
    if count := config.stash.get(NOT_RUN, 0):
        print(f"\nNOT RUN: {count} tests that need a Docker Engine, since none answers")
