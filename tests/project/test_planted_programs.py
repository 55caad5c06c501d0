"""A repository that was just cloned runs nothing: neither by git, nor by programs and variables that lie in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest

from planodev import executables
from planodev.cli.main import main
from planodev.doctor import plano as doctor_plano
from planodev.plano import config_file, providers
from planodev.plano.validation import Question
from planodev.project import git
from planodev.steps import env_file as step
from tests.support import away
from tests.support.requirements import require
from tests.support.tiers import slow_but

CONFIG = "version: v0.4.0\nlisteners: []\n"
GIT = shutil.which("git")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Return the project's directory, which is the current one; state and home are elsewhere, and no engine answers."""
    directory = tmp_path / "cloned"
    directory.mkdir()
    away.from_everything(monkeypatch, tmp_path, os.environ["PATH"])
    monkeypatch.chdir(directory)
    return directory


@pytest.fixture
def trap(tmp_path):
    """Return a program that leaves a mark; its `was_run` says whether one was left."""
    mark, program = tmp_path / "mark", tmp_path / "trap"
    program.write_text(f"#!/bin/sh\n: >'{mark}'\n")
    program.chmod(0o755)

    class Trap:
        path = str(program)

        @property
        def was_run(self):
            return mark.exists()

        def put(self, path):
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(program, path)

    return Trap()


SETTINGS = """
[core]
\trepositoryformatversion = 0
\tbare = false
\tworktree = {worktree}
\tfsmonitor = {trap}
\thooksPath = {hooks}
\tsshCommand = {trap}
\tpager = {trap}
\teditor = {trap}
\tgitProxy = {trap}
\talternateRefsCommand = {trap}
[pager]
\tls-files = {trap}
\tcheck-ignore = {trap}
[alias]
\tls-files = !{trap}
\tcheck-ignore = !{trap}
[filter "f"]
\tclean = {trap}
\tsmudge = {trap}
\tprocess = {trap}
[diff "f"]
\ttextconv = {trap}
\tcommand = {trap}
[credential]
\thelper = !{trap}
[remote "origin"]
\turl = ext::{trap}
\tpromisor = true
\tpartialclonefilter = blob:none
[protocol "ext"]
\tallow = always
[extensions]
"""


def repository(directory, trap, *, bare):
    """Make a repository whose settings name the trap wherever git takes a program, and claim a work tree."""
    subprocess.run([GIT, "init", "-q", *(["--bare"] if bare else []), str(directory)], check=True)
    data = directory if bare else directory / ".git"
    for hook in ("post-index-change", "post-checkout", "fsmonitor-watchman", "reference-transaction"):
        trap.put(data / "hooks" / hook)
    settings = SETTINGS.format(worktree=directory, trap=trap.path, hooks=data / "hooks")
    if not bare:
        (data / "more").write_text(f"[core]\n\tfsmonitor = {trap.path}\n")
        settings += "[include]\n\tpath = more\n"
    (data / "config").write_text(settings)
    (directory / ".gitattributes").write_text("* filter=f diff=f\n")


def looks(directory, *, ignored=True):
    """Ask all that asks git, as `up`, a dry run, `doctor` and `production` do."""
    answer = git.ask(directory, ".env").state
    main(["doctor"])
    main(["up", "--dry-run"])
    main(["production", "neon"])
    return answer


class TestGit:
    @pytest.fixture(autouse=True)
    def needs_git(self):
        require("git")

    def test_the_settings_of_an_unpacked_repository_run_nothing(self, project, trap):
        repository(project, trap, bare=False)
        assert looks(project) == "visible"
        assert not trap.was_run

    @pytest.mark.parametrize("at", [".", "below", "below/far/down"])
    def test_a_planted_bare_repository_runs_nothing(self, project, trap, monkeypatch, at):
        repository(project, trap, bare=True)
        place = project / at
        place.mkdir(parents=True, exist_ok=True)
        monkeypatch.chdir(place)
        assert looks(place) == "none"
        assert not trap.was_run

    def test_a_bare_repository_within_one_that_is_none_runs_nothing(self, project, trap, monkeypatch):
        subprocess.run([GIT, "init", "-q", str(project)], check=True)
        place = project / "docs"
        repository(place, trap, bare=True)
        monkeypatch.chdir(place)
        assert looks(place) == "none"
        assert not trap.was_run

    @pytest.mark.parametrize("name", ["GIT_CONFIG_COUNT", "GIT_CONFIG_GLOBAL", "GIT_DIR", "GIT_EXEC_PATH"])
    def test_no_variable_of_git_is_handed_on(self, project, trap, monkeypatch, tmp_path, name):
        subprocess.run([GIT, "init", "-q", str(project)], check=True)
        planted = tmp_path / "planted"
        repository(planted, trap, bare=False)
        # Each of the first three would have git say that `.env` is ignored.
        rules = planted / ".git/info/exclude"
        rules.parent.mkdir(exist_ok=True)
        rules.write_text(".env\n")
        with (planted / ".git/config").open("a") as settings:
            settings.write(f'[core]\n\texcludesFile = "{rules}"\n')
        if name == "GIT_CONFIG_COUNT":
            monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.excludesFile")
            monkeypatch.setenv("GIT_CONFIG_VALUE_0", str(rules))
        if name == "GIT_EXEC_PATH":
            trap.put(tmp_path / "exec" / "git-ls-files")
        values = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_GLOBAL": str(planted / ".git/config")}
        values |= {"GIT_DIR": str(planted / ".git"), "GIT_EXEC_PATH": str(tmp_path / "exec")}
        monkeypatch.setenv(name, values[name])
        assert looks(project) == "visible"
        assert not trap.was_run

    def test_what_git_says_of_an_ordinary_repository_is_still_heard(self, project, recorder):
        subprocess.run([GIT, "init", "-q", str(project)], check=True)
        step.ignore(project, [".env"], recorder)
        assert (project / ".gitignore").read_text() == ".env\n"
        assert git.ask(project, ".env").state == "ignored"
        (project / ".env").touch()
        subprocess.run([GIT, "-C", str(project), "add", "-f", ".env"], check=True)
        assert git.ask(project, ".env").state == "tracked"

    def test_a_git_that_never_answers_is_waited_for_once(self, project, monkeypatch, tmp_path):
        (project / ".git").mkdir()
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin/git").write_text(f"#!/bin/sh\necho >>'{tmp_path}/asked'\nexec sleep 60\n")
        (tmp_path / "bin/git").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
        monkeypatch.setattr(git, "PATIENCE", 1)
        for name in (".env", ".env.local"):
            assert git.ask(project, name).state == "unknown"
        assert (tmp_path / "asked").read_text() == "\n"


@pytest.fixture
def recorder():
    class Recorder:
        def __getattr__(self, name):
            return lambda *given, **named: None

    return Recorder()


class TestPrograms:
    @pytest.mark.parametrize("path", [".", "", "bin:/nowhere", "/nowhere:./bin", ":/nowhere", "/nowhere:", "../cloned"])
    def test_one_that_lies_in_the_project_is_never_found_by_a_relative_way(self, project, trap, monkeypatch, path):
        for name in ("git", "planoai", "docker", "psql", "sync", "python3", "planodev"):
            trap.put(project / name)
            trap.put(project / "bin" / name)
        (project / ".git").mkdir()
        (project / "config.yaml").write_text(CONFIG)
        monkeypatch.setenv("PATH", path)
        for name in ("git", "planoai", "docker", "psql", "sync", "python3"):
            assert executables.find(name) is None
        looks(project)
        main(["status"])
        main(["verify"])
        assert not trap.was_run

    def test_an_absolute_directory_is_the_users_own_choice(self, project, trap, monkeypatch):
        trap.put(project / "bin/planoai")
        monkeypatch.setenv("PATH", str(project / "bin"))
        assert executables.find("planoai") == str(project / "bin/planoai")

    def test_on_windows_the_ending_may_be_left_out_and_the_current_directory_is_not_looked_into(
        self, project, trap, tmp_path
    ):
        trap.put(project / "planoai.EXE")
        given = {"PATH": str(tmp_path / "there"), "PATHEXT": ".COM;.EXE"}
        assert executables.find("planoai", given, windows=True) is None
        trap.put(tmp_path / "there/planoai")  # a script for another system
        assert executables.find("planoai", given, windows=True) is None
        trap.put(tmp_path / "there/planoai.EXE")
        assert executables.find("planoai.EXE", given, windows=True)
        assert executables.find("planoai", given, windows=True) == str(tmp_path / "there/planoai.EXE")

    def test_libraries_that_start_programs_get_the_absolute_directories_alone(self, monkeypatch):
        monkeypatch.setenv("PATH", f".:/usr/bin::bin:{os.sep}bin")
        with executables.absolute_path():
            assert os.environ["PATH"] == "/usr/bin:/bin"
        assert os.environ["PATH"] == f".:/usr/bin::bin:{os.sep}bin"

    def test_run_finds_its_command_elsewhere_too(self, project, trap, tmp_path):
        complete(project)
        trap.put(project / "ls")
        done = planodev("run", "--", "ls", PATH=f".:{os.environ['PATH']}")
        assert (done.returncode, trap.was_run) == (0, False)
        done = planodev("run", "--", "trap", PATH=f":{tmp_path}")
        assert (done.returncode, trap.was_run) == (0, True)


def complete(project, more=""):
    (project / ".env").write_text(f"DB_USER=u\nDB_PASS=p\nDB_HOST=127.0.0.1\nDB_PORT=5432\nDB_NAME=d\n{more}")


def planodev(*arguments, **variables):
    return subprocess.run(
        [sys.executable, "-m", "planodev", *arguments],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


class TestPython:
    """A PYTHONPATH with an empty entry, as `PYTHONPATH=/mine:$PYTHONPATH` leaves, stands for the current directory."""

    @pytest.fixture
    def planoai(self, project, tmp_path, monkeypatch):
        mark = tmp_path / "mark"
        for name in ("sitecustomize.py", "planoai.py", "usercustomize.py", "re.py"):
            (project / name).write_text(f"open({str(mark)!r}, 'w')\n")
        script = tmp_path / "bin" / "planoai"
        script.parent.mkdir()
        script.write_text(f"#!{sys.executable}\nprint('planoai 0.4.39')\n")
        script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{script.parent}:{os.environ['PATH']}")
        for name, value in (("PYTHONPATH", ":"), ("PYTHONSTARTUP", "sitecustomize.py"), ("PYTHONINSPECT", "")):
            monkeypatch.setenv(name, value)
        return mark

    def test_planoai_is_asked_without_it(self, planoai, project):
        (project / "config.yaml").write_text(CONFIG)
        asked = Question(config_file.load(project / "config.yaml"), dict(os.environ))
        asked.answer()
        assert not planoai.exists()

    def test_python_dash_m_loads_nothing_of_the_current_directory_once_planodev_is_found(self, project, tmp_path):
        """Python itself has the current directory first then, and loads what starts modules from there."""
        (tmp_path / "empty.py").write_text("import sys; print(*sys.modules)")
        known = subprocess.check_output([sys.executable, "-m", "empty"], cwd=tmp_path, text=True).split()
        for name in {*sys.stdlib_module_names, "click", "dotenv", "psycopg", "yaml"} - {*known, "runpy"}:
            (project / f"{name}.py").write_text(f"raise SystemExit('{name} of the project was loaded')")
        (project / "config.yaml").write_text(CONFIG)
        for command in (["status"], ["doctor"]):
            done = planodev(*command)
            assert "was loaded" not in done.stdout + done.stderr
            assert done.returncode in (0, 7), done.stderr

    def test_doctor_asks_for_its_version_without_it(self, planoai):
        subject = SimpleNamespace(environment=dict(os.environ), env=lambda: SimpleNamespace(values={}))
        assert doctor_plano.installed(subject).state == "ok"
        assert not planoai.exists()


STEERING = ["LD_PRELOAD", "PATH", "PYTHONPATH", "BASH_ENV", "NODE_OPTIONS", "GIT_SSH_COMMAND", "DYLD_INSERT_LIBRARIES"]
STEERING += ["PGSERVICEFILE", "PGSSLROOTCERT", "PGHOSTADDR", "AWS_CONFIG_FILE", "KUBECONFIG", "HOSTALIASES", "LUA_PATH"]
STEERING += ["CARGO_HOME", "RUSTC_WRAPPER", "GOFLAGS", "COMPOSE_FILE", "TERMINFO", "grpc_proxy", "MAKEFLAGS"]
STEERING += ["DOCKER_HOST", "HTTPS_PROXY", "https_proxy", "HOME", "ENV", "PS4", "PERL5OPT", "BROWSER", "SSL_CERT_FILE"]


@pytest.mark.parametrize("name", slow_but(("LD_PRELOAD", "https_proxy"), STEERING))
@pytest.mark.parametrize("by", ["access_key", "connection_string"])
def test_no_file_of_the_project_sets_a_variable_that_steers_programs(project, name, by):
    complete(project, f"{name}=/tmp/planted\nMY_LLM=kept\n")
    string = f"postgresql://${{DB_USER}}:x@h:1/d?application_name=${{{name}}}" if by == "connection_string" else ""
    key = name if by == "access_key" else "MY_LLM"
    (project / "config.yaml").write_text(
        f"version: v0.4.0\nmodel_providers:\n- model: openai/x\n  access_key: ${key}\n"
        f"state_storage: {{type: postgres, connection_string: '{string}'}}\n"
    )
    for command in (["run", "--", shutil.which("env")], ["env"]):
        done = planodev(*command, MY_LLM="")
        assert done.returncode == 0, done.stderr
        assert "/tmp/planted" not in done.stdout
        assert "[variable-held-back]" in done.stderr
    assert ("MY_LLM=kept" in done.stdout) is (by == "connection_string")


def test_keys_of_providers_are_handed_on(project):
    complete(project, "ANTHROPIC_API_KEY=a\nMY_LLM=kept\n")
    (project / "config.yaml").write_text("version: v0.4.0\nmodel_providers:\n- model: a/b\n  access_key: $MY_LLM\n")
    assert {"ANTHROPIC_API_KEY=a", "MY_LLM=kept"} <= set(planodev("env").stdout.split())
    keys = [key for provider in providers.PROVIDERS for key in provider.keys]
    usual = ("MY_LLM", "DATABASE_URL", "PG_PASS", "PGUSER", "PGPASSWORD", "PGHOST", "PGPORT", "PGDATABASE")
    usual += ("AWS_ACCESS_KEY_ID", "AWS_BEARER_TOKEN_BEDROCK", "AWS_REGION", "GOOGLE_API_KEY", "TERM")
    assert not [name for name in (*keys, *usual) if executables.steers(name)]
