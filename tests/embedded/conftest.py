"""Real servers of the embedded engine, no Docker."""

from __future__ import annotations

import pytest

from tests.engines.place import OnEngine, base_directory, clean, require_engine


@pytest.fixture
def base():
    require_engine("embedded")
    base = base_directory()
    yield base
    clean(base)


@pytest.fixture
def make_project(base):
    return lambda *parts: OnEngine(base.joinpath(*parts or ("shop",)), base, "embedded")


@pytest.fixture
def project(make_project):
    return make_project()
