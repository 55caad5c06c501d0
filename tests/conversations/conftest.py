from __future__ import annotations

import pytest

from tests.support.conversations import Plano


@pytest.fixture
def plano(project):
    """Return who stores turns in a database that is up."""
    project("up", "--model", "ollama/llama3.1")
    with project.login() as session:
        yield Plano(session)
