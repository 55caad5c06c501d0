"""The recorder is the real planoai: it does what makes `planodev run` necessary, and hands over what was exported."""

import os
import pwd
import shutil
import subprocess

import pytest

from planodev.postgres.connection import CONNECTION_STRING
from tests.support.planoai_recorder import envsubst
from tests.support.recorded import CONFIG, DB, KEY, MODES

ADDRESS = "postgresql://plano:p%40ss@localhost:5433/plano"


@pytest.fixture
def project(tmp_path):
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/config.yaml").write_text(CONFIG)
    return tmp_path / "shop"


def write_env(project, **values):
    (project / ".env").write_text("".join(f"{key}={value}\n" for key, value in values.items()))


@pytest.mark.parametrize("mode", MODES)
def test_what_the_shell_exports_reaches_plano(planoai, project, mode):
    planoai.run("planoai", "up", *mode, cwd=project, **DB, **KEY)
    recorded = planoai.recorded
    assert recorded["mode"] == ("docker" if mode else "native")
    assert recorded["connection_string"] == ADDRESS  # `localhost` is replaced in the file, never in a value
    assert recorded["access_keys"] == {"anthropic/claude-sonnet-4-5": "sk-shell"}
    assert {key: recorded["environment"][key] for key in DB} == DB
    assert recorded["unreadable"] is None
    programs = [" ".join(command[:2]) if mode else command[0].rpartition("/")[2] for command in recorded["commands"]]
    status = "docker inspect"
    assert programs == (["docker run", status, "docker run", status] if mode else ["brightstaff", "envoy"])
    planoai.run("planoai", "up", *mode, cwd=project, **DB, **KEY)  # with a PID file from before
    assert planoai.recorded["connection_string"] == ADDRESS


@pytest.mark.parametrize(("mode", "seen"), [((), CONNECTION_STRING), (("--docker",), "postgresql://:@:/")])
def test_what_only_the_env_file_holds_does_not_reach_plano(planoai, project, mode, seen):
    write_env(project, **DB, ANTHROPIC_API_KEY="sk-file")
    planoai.run("planoai", "up", *mode, cwd=project, **KEY)
    assert planoai.recorded["connection_string"] == seen
    assert planoai.recorded["access_keys"] == {"anthropic/claude-sonnet-4-5": "sk-file"}  # beats the shell's


def test_an_env_file_hides_the_keys_of_the_shell(planoai, project):
    write_env(project, **DB)
    done = planoai.run("planoai", "up", cwd=project, code=1, **DB, **KEY)
    assert "ANTHROPIC_API_KEY" in done.stdout
    assert planoai.recorded is None


@pytest.mark.parametrize("mode", MODES)
def test_a_refused_configuration_launches_nothing(planoai, project, mode):
    (project / "config.yaml").write_text(CONFIG + "colour: red\n")
    done = planoai.run("planoai", "up", *mode, cwd=project, code=1, **DB, **KEY)
    assert ("colour" in done.stdout) == (not mode)  # the container's reason goes to a stream that planoai drops
    assert planoai.recorded is None


def test_the_container_reads_localhost_in_the_file_as_the_host(planoai, project):
    (project / "config.yaml").write_text(CONFIG.replace("${DB_HOST}", "localhost"))
    planoai.run("planoai", "up", "--docker", cwd=project, **DB, **KEY)
    assert planoai.recorded["connection_string"] == ADDRESS.replace("localhost", "host.docker.internal")


def test_nothing_is_written_but_below_its_home(planoai, project, tmp_path):
    def files():
        return {path for path in tmp_path.rglob("*") if not path.is_relative_to(planoai.home)}

    (project / "config.yaml").write_text(CONFIG.replace("${DB_HOST}", "localhost"))  # planoai writes a changed copy
    before = files()
    for mode in MODES:
        planoai.run("planoai", "up", *mode, cwd=project, TMPDIR=str(tmp_path), **DB, **KEY)
    assert files() == before | {planoai.record}


def test_a_real_home_is_refused(planoai, project):
    home = pwd.getpwuid(os.getuid()).pw_dir
    done = planoai.run("planoai", "up", cwd=project, code=1, HOME=home, **DB, **KEY)
    assert "HOME must be a temporary directory" in done.stderr


@pytest.mark.skipif(not shutil.which("envsubst"), reason="GNU gettext's envsubst is not installed")
def test_substitution_is_that_of_envsubst():
    text = "$A ${A} ${A:-x} $$A $1 ${1} ${A ${A-} $A_B $_ ${_C} $Ä $ a$A$A.b \\$A '${A}' {$A} ${UNSET}|$UNSET"
    variables = {"A": "one $B", "B": "two", "_C": "three"}
    run = ["env", "-i", *(f"{k}={v}" for k, v in variables.items()), shutil.which("envsubst")]
    done = subprocess.run(run, input=text, capture_output=True, text=True, check=True)
    assert envsubst(text, variables) == done.stdout
