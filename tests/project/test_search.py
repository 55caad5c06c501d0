"""In a subdirectory of a project: every command finds it upwards, and nothing creates a second database unasked."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from planodev.cli.main import main
from planodev.project import identity, records, search
from tests.support.engine_server import EngineServer

LINE = "# planodev project: 0123456789abcdef\n"
DATABASE = "DB_USER=u\nDB_PASS=p\nDB_HOST=127.0.0.1\nDB_PORT=5433\nDB_NAME=d\n"
CONFIG = "version: v0.4.0\nlisteners: [{type: model, name: m, port: 12000}]\nmodel_providers: []\n"


@pytest.fixture
def directory(tmp_path, monkeypatch):
    """Return a project that planodev has given a number, with a directory in it where the process is."""
    for name in [name for name in os.environ if name.startswith(("PLANODEV_", "DB_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    path = tmp_path / "home" / "shop"
    (path / "src" / "deep").mkdir(parents=True)
    (path / ".env").write_text(LINE + DATABASE)
    monkeypatch.chdir(path / "src" / "deep")
    return path


@pytest.fixture
def cli(capsys):
    def run(*arguments):
        code = main(list(arguments))
        out, err = capsys.readouterr()
        return SimpleNamespace(code=code, out=out, err=err, json=json.loads(out) if out.startswith("{") else None)

    return run


def record(path, engine="docker"):
    project = identity.at(path)
    records.Records().write(records.Record("0123456789abcdef", str(project.path), project.inode, engine, "volume"))


def found(start):
    one = search.above(start)
    return one.path if one else None


class TestMarks:
    def test_the_line_in_env(self, directory):
        assert found(directory / "src/deep") == directory
        assert found(directory) is None

    def test_a_settings_file_where_env_is_lost(self, directory):
        (directory / ".env").unlink()
        (directory / "planodev.toml").write_text("")
        assert found(directory / "src") == directory

    def test_a_record_where_env_is_lost(self, directory):
        (directory / ".env").unlink()
        record(directory)
        assert found(directory / "src") == directory
        assert found(directory) is None

    def test_no_record_of_data_that_was_deleted_or_of_a_directory_that_stood_there_before(self, directory):
        (directory / ".env").unlink()
        record(directory, engine="")
        assert found(directory / "src") is None
        record(directory)
        directory.rename(directory.with_name("other"))
        (directory / "src").mkdir(parents=True)
        assert found(directory / "src") is None

    @pytest.mark.parametrize("text", [DATABASE, "", "# a planodev project: 0123456789abcdef\n"])
    def test_no_other_env(self, directory, text):
        (directory / ".env").write_text(text)
        assert found(directory / "src") is None

    def test_the_nearest_one(self, directory):
        (directory / "src/.env").write_text(LINE)
        assert found(directory / "src/deep") == directory / "src"

    def test_what_cannot_be_read_is_none(self, directory):
        os.mkfifo(directory / "src/.env")
        (directory / "src/deep/.env").mkdir()
        assert found(directory / "src/deep") == directory


class TestLimits:
    @pytest.mark.parametrize("kind", ["directory", "file"])  # a file in worktrees and submodules
    def test_the_root_of_a_repository(self, directory, kind):
        git = directory / "src/.git"
        git.mkdir() if kind == "directory" else git.write_text("gitdir: ../.git/modules/src\n")
        assert found(directory / "src/deep") is None
        assert found(directory / "src") is None

    def test_the_root_itself_may_be_the_project(self, directory):
        (directory / ".git").mkdir()
        assert found(directory / "src/deep") == directory

    def test_the_home_directory_is_none(self, directory):
        (directory / ".env").rename(directory.parent / ".env")
        assert found(directory / "src/deep") is None
        assert found(directory) is None

    def test_nothing_is_looked_for_above_it(self, directory, monkeypatch):
        monkeypatch.setenv("HOME", str(directory / "src"))
        assert found(directory / "src/deep") is None
        assert found(directory / "src") is None

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a directory away")
    def test_a_directory_of_another_owner(self, directory):
        os.chown(directory / "src", 12345, 12345)
        assert found(directory / "src/deep") is None

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a file away")
    def test_a_file_that_another_user_has_left(self, directory):
        os.chown(directory / ".env", 12345, 12345)
        assert found(directory / "src/deep") is None

    def test_another_file_system(self, directory, monkeypatch):
        real = Path.stat

        def stat(self, **options):
            state = real(self, **options)
            fields = [*state]
            fields[2] += self == directory
            return os.stat_result(fields)

        monkeypatch.setattr(Path, "stat", stat)
        assert found(directory / "src/deep") is None


class TestCommands:
    def test_say_where_the_project_is(self, cli, directory):
        done = cli("env")
        assert (done.code, done.out.splitlines()[0]) == (0, "DB_USER=u")
        assert done.err == f"→ using the project in `{directory}`, above this directory\n"
        assert cli("-q", "env").err == ""

    def test_say_it_to_machines_too(self, cli, directory):
        done = cli("verify", "--env-file", "nothing", "--json")
        assert [(one["code"], str(directory) in one["message"]) for one in done.json["warnings"]] == [
            ("project-above", True)
        ]

    def test_have_fixes_that_are_about_it(self, cli, directory):
        (directory / ".env").write_text(LINE)
        assert cli("env").err.splitlines()[-1] == "  fix: `planodev -C ../.. up`"

    def test_see_paths_that_were_typed_from_where_they_were_typed(self, cli, directory):
        (directory / "src/deep/there").mkdir()
        assert cli("production", "rds", "--output", "there").code == 0
        assert (directory / "src/deep/there/PRODUCTION.md").exists()
        error = cli("verify", "--env-file", "../nothing", "--json").json["error"]
        assert error["message"] == f"`{directory}/src/nothing` does not exist"

    def test_named_by_an_option_stay_where_they_are(self, cli, directory):
        done = cli("-C", ".", "env")
        assert (done.code, done.out) == (7, "")
        assert "`planodev -C . up`" in done.err
        assert f"`planodev -C {shlex.quote(str(directory))} status` is about that project" in done.err

    def test_run_a_command_where_the_user_is(self, directory):
        assert self.ran("pwd") == str(directory / "src/deep")

    def test_run_planoai_where_its_configuration_is(self, directory, monkeypatch):
        from planodev.commands import run_and_env
        from planodev.look import Context
        from planodev.steps import before_plano
        from tests.support.silent import Silent

        monkeypatch.setattr(before_plano, "check", lambda seen: None)
        monkeypatch.setattr(
            run_and_env, "look", lambda context, read: SimpleNamespace(engine=SimpleNamespace(close=lambda: None))
        )
        monkeypatch.setattr(run_and_env, "replace", lambda one, **changes: one)
        context = Context(identity.at(directory), {}, {}, Silent(), directory / "src/deep")
        assert run_and_env.run(context, ["planoai", "up"]).directory == directory
        (directory / "src/deep/config.yaml").write_text(CONFIG)
        assert run_and_env.run(context, ["planoai", "up"]).directory == directory / "src/deep"

    @staticmethod
    def ran(*command):
        words = [sys.executable, "-m", "planodev", "-q", "run", "--", *command]
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


class TestUp:
    @pytest.mark.parametrize(
        ("name", "text"), [("config.yaml", CONFIG), ("plano_config.yaml", "# to come\n"), (".env", DATABASE)]
    )
    def test_asks_before_it_creates_a_second_database(self, cli, directory, name, text):
        Path(name).write_text(text)
        for options in ([], ["--yes"], ["--dry-run"]):
            error = cli("up", *options, "--json").json["error"]
            assert error["code"] == "project-above"
            above = f"`planodev -C {shlex.quote(str(directory))} up` starts that project's"
            assert error["fix"] == f"`planodev up --here` creates a second one here; {above}"

    def test_does_not_ask_where_another_tool_has_its_config(self, directory):
        Path("config.yaml").write_text("theme: x\n")
        assert not search.above(Path.cwd()).own_files

    @pytest.mark.parametrize(("answer", "place"), [("y", "src/deep"), ("n", ".")])
    def test_does_as_it_is_told(self, directory, answer, place):
        Path("config.yaml").write_text(CONFIG)
        assert str(directory / place) == asked(answer)

    def test_here_creates_one(self, cli, directory, monkeypatch):
        Path("config.yaml").write_text("theme: [\n")  # which ends it once an engine has answered
        with tempfile.TemporaryDirectory() as place:
            engine = EngineServer(Path(place, "d.sock"))
            monkeypatch.setenv("DOCKER_HOST", engine.url)
            done = cli("up", "--here", "--engine", "docker", "--json").json
            engine.stop()
        assert (done["error"]["code"], done["warnings"]) == ("bad-config-file", [])
        assert str(directory / "src/deep/config.yaml") in done["error"]["message"]


def asked(answer):
    """Return the directory that `up` works in once its question was answered at a terminal."""
    code = (
        "import sys; from planodev.commands import up; from planodev.cli import up as cli, main\n"
        "cli.up = lambda context: sys.exit(f'in {context.project.path}'); sys.stdin.reconfigure(); main.main(['up'])"
    )
    outer, inner = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", code], stdin=inner, stdout=inner, stderr=inner)
    os.close(inner)
    os.write(outer, f"{answer}\n".encode())
    said = b""
    while True:
        try:
            part = os.read(outer, 1000)
        except OSError:
            break
        if not part:
            break
        said += part
    process.wait(20)
    assert b"Create a second database here? [y/N]" in said, said
    return re.search(r"\bin (/.*)", said.decode())[1].strip()
