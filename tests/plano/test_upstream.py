"""The faults of Plano that planodev works round are still there, as far as planoai and Envoy show them.

A test that fails here brings good news: `docs/upstream.md` says which workaround goes. What lives in brightstaff or in
Plano's image cannot be had in tests; it is looked at again whenever planoai has another version.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from planodev.plano import planoai as own
from tests.support.recorded import CONFIG, DB, KEY, MODES
from tests.support.requirements import planoai_python
from tests.support.rules import BAD, BASE

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/upstream.md").read_text()
TO_LOOK_AT = re.findall(r"^\| \[(.*?)\]\(#.*with the version \|$", PAGE, re.MULTILINE)


@pytest.fixture
def project(tmp_path):
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/config.yaml").write_text(CONFIG)
    return tmp_path / "shop"


@pytest.fixture(scope="module")
def package():
    """Return the directory of the real planoai, and its version."""
    code = "import json, os, planoai; print(json.dumps([os.path.dirname(planoai.__file__), planoai.__version__]))"
    done = subprocess.run([planoai_python(), "-c", code], capture_output=True, text=True, check=True)
    directory, version = json.loads(done.stdout)
    return Path(directory), version


def looked_at(version):
    """Fail with what has to be looked at by hand where this is another version than the one that was looked at."""
    assert version == own.CHECKED, (
        f"planoai {version} is not the {own.CHECKED} that was looked at. Look at these of docs/upstream.md again, with "
        f"the Plano that it starts, then set CHECKED in planodev/plano/planoai.py: {'; '.join(TO_LOOK_AT)}"
    )


def test_what_only_a_running_plano_shows_is_looked_at_again_with_another_pin():
    assert len(TO_LOOK_AT) >= 7
    looked_at(re.search(r"^planoai==(\S+)$", (ROOT / "tests/planoai.in").read_text(), re.MULTILINE)[1])


@pytest.mark.planoai
def test_what_only_a_running_plano_shows_is_looked_at_again_with_another_planoai(package):
    directory, version = package
    looked_at(version)
    image = re.search(r"katanemo/plano:([\w.-]+)", (directory / "consts.py").read_text())
    assert image[1] == own.CHECKED  # the Plano that it starts, in Docker and natively


@pytest.mark.parametrize("mode", MODES)
def test_a_password_is_pasted_as_it_stands(planoai, project, mode):
    (project / "config.yaml").write_text(CONFIG.replace('"', ""))
    planoai.run("planoai", "up", *mode, cwd=project, **{**DB, "DB_PASS": "p@s #s"}, **KEY)
    assert planoai.recorded["connection_string"] == "postgresql://plano:p@s"  # the rest is a comment by then


def test_braces_are_no_variable_in_an_access_key(planoai, project):
    (project / "config.yaml").write_text(CONFIG.replace("$ANTHROPIC_API_KEY", "${ANTHROPIC_API_KEY}"))
    done = planoai.run("planoai", "up", cwd=project, code=1, **DB, **KEY)
    assert "{ANTHROPIC_API_KEY}" in done.stdout
    assert planoai.recorded is None


@pytest.mark.planoai
def test_the_sql_of_the_table_is_not_in_the_package(package):
    files = [path for path in package[0].rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert len(files) > 20
    assert not [path for path in files if b"conversation_states" in path.read_bytes()]


@pytest.mark.parametrize("mode", MODES)
def test_planoai_waits_for_what_envoy_answers_by_itself(planoai, project, mode):
    planoai.run("planoai", "up", *mode, cwd=project, **DB, **KEY)
    assert set(planoai.recorded["asked"]) == {"http://localhost:12000/healthz"}
    if not mode:  # in Docker it is rendered inside of the container
        envoy = (planoai.home / ".plano/run/envoy.yaml").read_text()
        assert re.search(r'prefix: "/healthz"\s+direct_response:\s+status: 200', envoy)


def test_a_plano_natively_is_left_running_by_one_in_docker(planoai, project):
    planoai.run("planoai", "up", cwd=project, **DB, **KEY)
    numbers = planoai.home / ".plano/run/plano.pid"
    assert set(json.loads(numbers.read_text())) == {"envoy_pid", "brightstaff_pid"}  # and whose it is stands nowhere
    before = numbers.read_text()
    planoai.run("planoai", "up", "--docker", cwd=project, **DB, **KEY)
    assert numbers.read_text() == before
    run = next(
        command for command in planoai.recorded["commands"] if command[:2] == ["docker", "run"] and "-d" in command
    )
    assert run[run.index("--name") + 1] == own.CONTAINER


def test_no_command_of_planoai_only_validates(planoai, project):
    shown = planoai.run("planoai", "--help", cwd=project).stdout
    commands = set(re.findall(r"^│ ([a-z-]+)  ", shown, re.MULTILINE))
    assert {"up", "down", "init"} <= commands
    assert not [name for name in commands if re.search("valid|check|lint|doctor", name)]


@pytest.mark.parametrize(
    "name", ["port-10000", "agport-12001", "same-port-twice", "two-defaults", "session-cache-redis-nourl"]
)
def test_planoai_accepts_what_plano_ends_with(judge, name):
    assert judge(str(BAD / f"{name}.yaml"))[0] is None


@pytest.mark.parametrize("url", ['""', '"mysql://x"', '"postgresql://u:p@h:${PORT}/d"'])
def test_planoai_accepts_any_connection_string(judge, tmp_path, url):
    (tmp_path / "config.yaml").write_text(BASE.replace('"postgresql://u:p@h:1/d"', url))
    assert judge(str(tmp_path / "config.yaml"))[0] is None


def test_the_first_choice_of_planoai_init_is_an_empty_file(planoai, tmp_path):
    planoai.run("planoai", "init", "--clean", cwd=tmp_path)
    assert not (tmp_path / "config.yaml").read_text().strip()


@pytest.mark.planoai
def test_planoai_asks_for_a_newer_one_unless_it_is_told_not_to(package):
    asks = package[0].joinpath("main.py").read_text().partition("def _maybe_check_updates(")[2].partition("\ndef ")[0]
    assert 'os.environ.get("PLANO_SKIP_VERSION_CHECK")' in asks
    assert "get_latest_version()" in asks


@pytest.mark.planoai
def test_planoai_brings_no_list_of_models(package):
    assert not list(package[0].rglob("provider_models*"))
