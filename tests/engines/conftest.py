"""Every test here runs on each engine."""

from __future__ import annotations

import docker
import pytest

from tests.docker.conftest import remove_all

from .place import ENGINES, OnEngine, base_directory, clean, require_engine

MARKS = {"docker": (pytest.mark.docker, pytest.mark.both)}


@pytest.fixture(params=[pytest.param(name, marks=MARKS.get(name, ())) for name in ENGINES])
def engine(request):
    require_engine(request.param)
    return request.param


@pytest.fixture
def make_project(engine):
    base = base_directory()
    api = docker.APIClient(version="auto", timeout=60) if engine == "docker" else None
    yield lambda *parts: OnEngine(base.joinpath(*parts or ("shop",)), base, engine, api)
    if api:
        remove_all(api, str(base))
    clean(base)


@pytest.fixture
def project(make_project):
    return make_project()
