"""`doctor`: a fixed list of checks, each of which can fail, none of which changes anything."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
import textwrap

import pytest

from tests.support.git import git
from tests.support.ports import listening
from tests.support.requirements import as_root, require
from tests.support.tiers import slow_but
from tests.support.waiting import at_most

pytestmark = pytest.mark.docker

NAMES = ["engine", "socket", "disk", "port", "container", "volume", "addresses", "login", "table", "proof"]
NAMES += ["env-file", "config", "keys", "planoai", "plano"]
PLANOAI = "#!/bin/sh\necho planoai, version 0.4.39\n"


@pytest.fixture
def look(tmp_path):
    """Return a function: every check by its name, as it stands with a planoai on PATH and a HOME of its own."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "home").mkdir()
    (tmp_path / "bin/planoai").write_text(PLANOAI)
    (tmp_path / "bin/planoai").chmod(0o755)

    def run(project, code=None, **variables):
        mine = {"PATH": f"{tmp_path}/bin{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path / "home")}
        with at_most(10):  # its own limits are half of that
            done = project("doctor", "--json", code=code, **{**mine, **variables})
        data = done.json["data"]
        assert [check["name"] for check in data["checks"]] == NAMES
        states = [check["state"] for check in data["checks"]]
        assert {state: states.count(state) for state in ("ok", "warning", "failed")} == {
            state: data[state] for state in ("ok", "warning", "failed")
        }
        assert (done.code, done.json["ok"]) == ((7, False) if data["failed"] else (0, True))
        for check in data["checks"]:
            assert list(check) == ["name", "state", "message", "why", "fix", "others"]
            told = check["why"] or check["fix"] or check["message"].startswith(("unknown, since", "skipped: "))
            assert check["state"] == "ok" or (check["message"] and told), check
        return {check["name"]: check for check in data["checks"]}

    return run


def bad(checks):
    """Return the state of every check that is not ok."""
    return {name: check["state"] for name, check in checks.items() if check["state"] != "ok"}


def files(project):
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in project.path.iterdir() if path.is_file()}


def test_everything_is_fine_and_nothing_is_changed(ready, look, planoai):
    before, mine = ready.engine(), files(ready)
    mine_too = {name: planoai.environment[name] for name in ("PATH", "HOME", "PLANO_RECORD")}
    checks = look(ready, 0, **mine_too)
    assert bad(checks) == {}
    assert checks["planoai"]["message"] == "0.4.39, for `--plano docker`"
    assert "wrote and read a test conversation from Plano's network" in checks["proof"]["message"]
    text = ready("doctor", **mine_too)
    lines = text.out.splitlines()
    assert [line.split()[1] for line in lines if line.startswith("✓")] == NAMES
    assert (lines[-1], text.err) == ("15 ok, 0 warnings, 0 failed", "")
    assert (ready.engine(), files(ready)) == (before, mine)
    assert ready.env["DB_PASS"] not in text.out


def test_in_an_empty_directory_what_is_missing_is_told_and_nothing_created(project, look):
    before = project.engine()
    checks = look(project, 7)
    assert set(bad(checks)) >= {"container", "login", "table", "proof", "env-file", "config"}
    assert {checks[name]["state"] for name in ("engine", "socket", "disk", "volume", "plano")} == {"ok"}
    assert checks["keys"]["state"] == "skipped"
    assert all("planodev -C" in checks[name]["fix"] for name in bad(checks) if checks[name]["fix"])
    assert (project.engine(), list(project.path.iterdir())) == (before, [])
    done = project("doctor", code=7)
    assert (done.err.count("✗"), "[checks-failed]" in done.err) in ((0, False), (1, True))
    assert f"`planodev -C {project.path} up`" in done.out


def test_without_an_engine_the_files_are_still_looked_at(ready, look, tmp_path):
    dead = tmp_path / "dead.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(dead))
    for url in (f"unix://{dead}", f"unix://{tmp_path}/none.sock"):
        checks = look(ready, 7, DOCKER_HOST=url)
        assert (checks["engine"]["state"], checks["socket"]["state"]) == ("failed", "skipped")
        assert {checks[name]["state"] for name in ("config", "keys", "disk", "planoai")} == {"ok"}
        assert "runs" not in checks["planoai"]["message"]


@pytest.mark.slow
def test_an_engine_that_accepts_and_never_answers(ready, look, tmp_path):
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.socket(socket.AF_UNIX))
        server.bind(str(tmp_path / "silent.sock"))
        server.listen(64)
        checks = look(ready, 7, DOCKER_HOST=f"unix://{tmp_path}/silent.sock")
    said = checks["engine"]["message"] + (checks["engine"]["why"] or "")
    assert "timed out" in said or "no answer" in said
    assert {checks[name]["state"] for name in ("config", "keys", "planoai")} == {"ok"}


def test_a_database_that_accepts_and_never_answers(ready, look):
    with listening() as port:
        ready.change(".env", "^DB_PORT=.*", f"DB_PORT={port}")
        checks = look(ready, 7)
    assert set(bad(checks)) >= {"login", "table", "proof", "env-file"}


def test_a_socket_that_may_not_be_opened(ready, tmp_path):
    as_root()
    for directory in [tmp_path, *tmp_path.parents, ready.path, *ready.path.parents]:
        directory.chmod(directory.stat().st_mode | 0o755)
    code = """
        import os, pathlib, sys
        from planodev import doctor
        from planodev.engines.embedded import engine  # asked where docker is not
        from planodev.look import Context
        from tests.support.silent import Silent
        from planodev.project import identity
        def look(url):
            variables = {"DOCKER_HOST": url, "PATH": os.environ["PATH"]}
            here = identity.at(pathlib.Path(sys.argv[1]))
            found = doctor.examine(Context(here, {}, variables, Silent()))
            return {check["name"]: check for check in found.data["checks"]}
        for url in ("unix:///var/run/docker.sock", "unix:///nowhere.sock"):
            look(url)  # all modules are there, before they cannot be read any more
        os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
        found = look("unix://" + sys.argv[2])
        print(found["engine"]["state"], found["socket"]["state"], found["engine"]["fix"])
    """
    denied = str(tmp_path / "denied.sock")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(denied)
        server.listen(64)
        os.chmod(denied, 0o600)
        command = [sys.executable, "-c", textwrap.dedent(code), str(ready.path), denied]
        done = subprocess.run(command, env=ready.environment, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("failed skipped "), done.stdout + done.stderr
    assert "docker" in done.stdout


@pytest.mark.slow
def test_what_can_happen_to_a_database_is_told_and_its_fix_mends_it(project, look, api):
    project.environment["PLANODEV_NAME"] = f"plano-doctor-{os.urandom(4).hex()}"  # it is created again several times
    project("up", "--model", "ollama/llama3.1")
    assert bad(look(project, 0)) == {}
    name, volume = (project.status()[key] for key in ("container", "volume"))

    def told(*expected, skipped):
        before, mine = project.engine(), files(project)
        checks = look(project, 7)
        assert {key for key, state in bad(checks).items() if state == "failed"} == set(expected), bad(checks)
        assert {key for key, state in bad(checks).items() if state == "skipped"} == skipped, bad(checks)
        assert (project.engine(), files(project)) == (before, mine)
        assert f"`planodev -C {project.path} up`" in [checks[key]["fix"] for key in expected]
        project("up")
        assert bad(look(project, 0)) == {}
        return checks

    inside = {"login", "table", "proof"}
    with project.login() as session:
        session.execute("DROP TABLE conversation_states")
    assert told("table", skipped={"proof"})["table"]["message"] == "database `plano` has no table `conversation_states`"
    with project.login() as session:
        session.execute("ALTER ROLE plano PASSWORD 'another'")
    assert "refuses the password" in told("login", skipped={"table", "proof"})["login"]["why"]
    api.stop(name)
    assert "is stopped" in told("container", skipped=inside)["container"]["message"]
    api.remove_container(name, force=True)
    told("container", skipped=inside)
    port = project.status()["port"]  # another one, where somebody took the first while there was no container
    api.stop(name)
    with listening(port):
        checks = look(project, 7)
        assert (checks["port"]["state"], "is taken" in checks["port"]["message"]) == ("warning", True)
        assert "held by" in checks["port"]["why"]
    api.remove_container(name, force=True)
    api.remove_volume(volume)
    lost = project.status()
    assert (lost["state"], "it had this project's data" in lost["engine"]["why"]) == ("absent", True)
    assert [w["code"] for w in project("status", "--json").json["warnings"]] == ["data-gone"]
    assert "is not in this engine" in told("container", "volume", skipped=inside)["volume"]["message"]
    project("down", "--delete-data", "--yes")
    assert project("status", "--json").json["warnings"] == []  # for that was wished
    assert "has no data" in look(project, 7)["volume"]["message"]
    project("up")

    labels = project.container()["Config"]["Labels"]
    api.remove_container(name, force=True)
    host = api.create_host_config(port_bindings={5432: port}, binds=[f"{volume}:/var/lib/postgresql/data"])
    api.create_container("postgres:16", name=name, labels=labels, host_config=host, ports=[5432])
    checks = look(project, 7)  # it is not started: nobody shall listen there
    assert (checks["addresses"]["state"], checks["addresses"]["fix"].startswith(f"`docker rm -f {name}`")) == (
        "failed",
        True,
    )


# file, pattern, new text, check, state, what is said
CHANGES = {
    "quoted": (".env", "^DB_USER=plano", 'DB_USER="plano"', "env-file", "failed", "DB_USER"),
    "exported": (".env", "^DB_NAME=", "export DB_NAME=", "env-file", "failed", "DB_NAME"),
    "port": (".env", "^DB_PORT=.*", "DB_PORT=1", "env-file", "failed", "DB_PORT is 1"),
    "no number": (".env", "^DB_PORT=.*", "DB_PORT=x", "env-file", "failed", "DB_PORT"),
    "incomplete": (".env", "^DB_NAME=.*\n", "", "env-file", "failed", "lacks DB_NAME"),
    "password": (".env", "^DB_PASS=.*", "DB_PASS=wrong", "login", "failed", "refuses the password"),
    "database": (".env", "^DB_NAME=.*", "DB_NAME=nowhere", "login", "failed", "no database `nowhere`"),
    "mode": (".env", "^DB_HOST=.*", "DB_HOST=127.0.0.1", "addresses", "warning", "--plano docker"),
    "no key": (".env", "^ANTHROPIC.*\n", "", "keys", "failed", "ANTHROPIC_API_KEY is not set"),
    "quoted key": (".env", "^ANTHROPIC.*", "ANTHROPIC_API_KEY='x'", "keys", "warning", "is quoted"),
    "braces": ("config.yaml", r"\$ANTHROPIC_API_KEY", "${ANTHROPIC_API_KEY}", "keys", "failed", "braces"),
    "storage": ("config.yaml", r"^state_storage:(\n  .*)+", "", "config", "failed", "no `state_storage`"),
    "memory": ("config.yaml", "type: postgres", "type: memory", "config", "failed", "`memory`"),
    "YAML": ("config.yaml", "^version:", "version: [", "config", "failed", "line"),
    "history": ("config.yaml", "anthropic/[a-z0-9-]+", "openai/gpt-4o", "config", "warning", "openai/gpt-4o"),
    "part": ("config.yaml", r"\$\{DB_NAME\}", "other", "config", "failed", "instead of `${DB_NAME}`"),
    "own": ("config.yaml", r"\$\{DB_HOST\}", "db.invalid", "config", "warning", "planodev does not run"),
    "TLS": ("config.yaml", r"DB_NAME\}", "DB_NAME}?sslmode=require", "config", "failed", "sslmode=require"),
}


@pytest.mark.parametrize("name", slow_but(("own", "TLS"), CHANGES))
def test_a_line_that_is_wrong_is_told_by_its_check(ready, look, name):
    file, old, new, check, state, said = CHANGES[name]
    ready.change(file, old, new)
    found = look(ready)[check]
    assert (found["state"], said in found["message"] + (found["why"] or "")) == (state, True), found
    assert found["fix"]


def test_everything_that_is_wrong_with_a_configuration_is_told_each_with_its_fix(ready, look):
    anthropic = r"- model: anthropic/[a-z0-9-]+"
    three = "- model: vercel/a\n    base_url: https://h/v1\n    access_key: $V_KEY\n"
    three += "  - model: xai/b\n    access_key: $X_KEY\n  - model: openai/c"
    ready.change("config.yaml", anthropic, three)
    ready.change("config.yaml", r"\$ANTHROPIC_API_KEY", "$O_KEY")
    ready.change("config.yaml", r"\$\{DB_HOST\}", "db.invalid")
    ready.change("config.yaml", r"\$\{DB_NAME\}", "other/#x?sslmode=prefer")
    checks, wanted = look(ready, 7), ready("verify", "--json", code=None).json["warnings"]
    assert {"provider-keeps-history", "connection-string-fragment"} <= {warning["code"] for warning in wanted}
    assert "a database that planodev does not run" in checks["config"]["message"]
    assert checks["config"]["others"] == [warning for warning in wanted if not warning["code"].startswith("key-")]
    told = [checks["keys"], *checks["keys"]["others"]]
    assert all(any(key in one["message"] and one["fix"] for one in told) for key in ("V_KEY", "X_KEY", "O_KEY"))
    text = ready("doctor", code=7).out
    assert all(part in text for one in (*told, *checks["config"]["others"]) for part in (one["message"], one["fix"]))


def test_a_private_file_that_others_may_read_or_git_would_take(project, look):
    require("git")
    project("up", "--model", "ollama/llama3.1")
    (project.path / ".env").chmod(0o644)
    assert "mode 0644" in look(project, 0)["env-file"]["message"]
    (project.path / ".env").chmod(0o600)
    git(project.path, "init", "-q")
    assert "does not ignore" in look(project, 0)["env-file"]["message"]
    git(project.path, "add", "-f", ".env")
    tracked = look(project, 0)["env-file"]
    assert (tracked["state"], "tracked by git" in tracked["message"]) == ("warning", True)
    assert "git rm -f --cached .env" in tracked["fix"]
    git(project.path, "rm", "-q", "--cached", ".env")
    (project.path / ".gitignore").write_text(".env\n")
    assert bad(look(project, 0)) == {}


def test_a_disk_without_room(project, look):
    as_root()
    for size, state in (("1g", "warning"), ("50m", "failed")):
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(project.path)], check=True)
        try:
            disk = look(project, 7)["disk"]
        finally:
            subprocess.run(["umount", str(project.path)], check=True)
        assert (disk["state"], str(project.path) in disk["message"], bool(disk["fix"])) == (state, True, True)


PROGRAMS = {
    "#!/bin/sh\nexit 1\n": ("failed", "cannot run"),
    "#!/nowhere\n": ("failed", "cannot run"),
    "#!/bin/sh\nsleep 20\n": ("failed", "no answer|cannot run"),
    '#!/bin/sh\n[ -n "$PLANO_SKIP_VERSION_CHECK" ] || sleep 20\necho planoai, version 9.8.7\n': (
        "ok",
        "9.8.7, .*; planodev was tested with 0.4.39",
    ),
    None: ("warning", "not on the PATH"),
}


@pytest.mark.parametrize("program", slow_but([one for one in PROGRAMS if "sleep 20" not in str(one)], PROGRAMS))
def test_a_planoai_that_is_missing_old_or_broken_is_told(ready, look, tmp_path, program):
    state, said = PROGRAMS[program]
    (tmp_path / "bin/planoai").unlink()
    if program:
        (tmp_path / "bin/planoai").write_text(program)
        (tmp_path / "bin/planoai").chmod(0o755)
    found = look(ready)["planoai"]
    assert (found["state"], bool(re.search(said, found["message"]))) == (state, True), found


@pytest.mark.slow
def test_a_search_path_of_the_connection_string_and_a_configuration_elsewhere_are_looked_at_as_plano_does(ready, look):
    with ready.login() as session:
        session.execute("CREATE SCHEMA app")
        session.execute("ALTER TABLE conversation_states SET SCHEMA app")
    try:
        ready.change("config.yaml", r"\$\{DB_NAME\}", "${DB_NAME}?options=-c%20search_path%3Dapp")
        ready("verify")
        assert {look(ready)[name]["state"] for name in ("login", "table", "proof", "config")} == {"ok"}
        (ready.path / "sub").mkdir()
        (ready.path / "config.yaml").rename(ready.path / "sub/plano.yaml")
        assert look(ready, PLANODEV_CONFIG="sub/plano.yaml")["keys"]["state"] == "ok"
    finally:
        with ready.login() as session:
            session.execute("ALTER TABLE app.conversation_states SET SCHEMA public")
            session.execute("DROP SCHEMA app")
