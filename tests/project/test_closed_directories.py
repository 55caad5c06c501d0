"""What lies in a directory that this user may not enter counts as not there, and ends no command with a traceback."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from planodev import installation, paths
from planodev.engines import endpoint
from planodev.gateway import found, running
from planodev.plano import planoai
from planodev.problems import NoEngine
from tests.support.rules import BASE, judged


@pytest.fixture
def closed(open_place, as_ordinary_user):
    """Return a directory that may not be entered while the test runs, beside one to write in."""
    (open_place / "own").mkdir(mode=0o777)
    (open_place / "own").chmod(0o777)
    directory = open_place / "closed"
    directory.mkdir()
    (directory / ".env").touch()
    directory.chmod(0)
    with as_ordinary_user():
        yield directory
    directory.chmod(0o700)


def certificates(closed, own):
    text = BASE + f"overrides: {{upstream_tls_ca_path: {closed}/.env}}\n"
    assert "ca-file-missing" in [one.code for one in judged(text, own)]


def interpreter_of_planoai(closed, own):
    (own / "planoai").write_text(f"#!{closed}/bin/python3\n")
    (own / "planoai").chmod(0o755)
    assert planoai.interpreter({"PATH": str(own)}) is None
    assert "planoai" in str(planoai.renewing({"PATH": str(own)}))


def environment_of_planoai(closed, own):
    assert "planoai" in str(installation.renewing("planoai", closed, f"{closed}/bin/python"))


def engines_of_a_home_directory(closed, own):
    with pytest.raises(NoEngine):
        endpoint.find({}, closed, lambda _: "missing")


def programs_of_plano(closed, own):
    assert len(found.missing({"HOME": str(closed)})) == 3


def directory_of_a_running_plano(closed, own):
    seen = SimpleNamespace(project=SimpleNamespace(path=own), env=SimpleNamespace(values={}))
    plano = SimpleNamespace(directory=closed, variables={})
    assert not running._is_ours(seen, plano)


@pytest.mark.parametrize(
    "look",
    [
        certificates,
        interpreter_of_planoai,
        environment_of_planoai,
        engines_of_a_home_directory,
        programs_of_plano,
        directory_of_a_running_plano,
    ],
)
def test_it_is_looked_for_without_an_error(closed, open_place, look):
    assert not paths.is_file(closed / ".env")
    look(closed, open_place / "own")
