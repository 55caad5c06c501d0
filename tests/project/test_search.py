"""In a subdirectory of a project: every command finds it upwards, and nothing creates a second database unasked."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from planodev.cli.main import main
from planodev.project import identity, records, search

LINE = "# planodev project: 0123456789abcdef\n"
DATABASE = "DB_USER=u\nDB_PASS=p\nDB_HOST=127.0.0.1\nDB_PORT=5433\nDB_NAME=d\n"
CONFIG = "version: v0.4.0\nlisteners: [{type: model, name: m, port: 12000}]\nmodel_providers: []\n"


@pytest.fixture
def shop(tmp_path, monkeypatch):
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
    records.write(records.Record("0123456789abcdef", str(project.path), project.inode, engine, "volume"))


def found(start):
    one = search.above(start)
    return one.path if one else None


class TestMarks:
    def test_the_line_in_env(self, shop):
        assert found(shop / "src/deep") == shop
        assert found(shop) is None

    def test_settings(self, shop):
        (shop / ".env").unlink()
        (shop / "planodev.toml").write_text("")
        assert found(shop / "src") == shop

    def test_a_record_where_env_is_lost(self, shop):
        (shop / ".env").unlink()
        record(shop)
        assert found(shop / "src") == shop
        assert found(shop) is None

    def test_no_record_of_data_that_was_deleted_or_of_a_directory_that_stood_there_before(self, shop):
        (shop / ".env").unlink()
        record(shop, engine="")
        assert found(shop / "src") is None
        record(shop)
        shop.rename(shop.with_name("other"))
        (shop / "src").mkdir(parents=True)
        assert found(shop / "src") is None

    @pytest.mark.parametrize("text", [DATABASE, "", "# a planodev project: 0123456789abcdef\n"])
    def test_no_other_env(self, shop, text):
        (shop / ".env").write_text(text)
        assert found(shop / "src") is None

    def test_the_nearest_one(self, shop):
        (shop / "src/.env").write_text(LINE)
        assert found(shop / "src/deep") == shop / "src"

    def test_what_cannot_be_read_is_none(self, shop):
        os.mkfifo(shop / "src/.env")
        (shop / "src/deep/.env").mkdir()
        assert found(shop / "src/deep") == shop


class TestLimits:
    @pytest.mark.parametrize("kind", ["directory", "file"])  # a file in worktrees and submodules
    def test_the_root_of_a_repository(self, shop, kind):
        git = shop / "src/.git"
        git.mkdir() if kind == "directory" else git.write_text("gitdir: ../.git/modules/src\n")
        assert found(shop / "src/deep") is None
        assert found(shop / "src") is None

    def test_the_root_itself_may_be_the_project(self, shop):
        (shop / ".git").mkdir()
        assert found(shop / "src/deep") == shop

    def test_the_home_directory_is_none(self, shop):
        (shop / ".env").rename(shop.parent / ".env")
        assert found(shop / "src/deep") is None
        assert found(shop) is None

    def test_nothing_is_looked_for_above_it(self, shop, monkeypatch):
        monkeypatch.setenv("HOME", str(shop / "src"))
        assert found(shop / "src/deep") is None
        assert found(shop / "src") is None

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a directory away")
    def test_a_directory_of_another_owner(self, shop):
        os.chown(shop / "src", 12345, 12345)
        assert found(shop / "src/deep") is None

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a file away")
    def test_a_file_that_another_user_has_left(self, shop):
        os.chown(shop / ".env", 12345, 12345)
        assert found(shop / "src/deep") is None

    def test_another_file_system(self, shop, monkeypatch):
        real = Path.stat

        def stat(self, **options):
            state = real(self, **options)
            fields = [*state]
            fields[2] += self == shop
            return os.stat_result(fields)

        monkeypatch.setattr(Path, "stat", stat)
        assert found(shop / "src/deep") is None


class TestCommands:
    def test_say_where_the_project_is(self, cli, shop):
        done = cli("env")
        assert (done.code, done.out.splitlines()[0]) == (0, "DB_USER=u")
        assert done.err == f"→ using the project in `{shop}`, above this directory\n"
        assert cli("-q", "env").err == ""

    def test_say_it_to_machines_too(self, cli, shop):
        done = cli("verify", "--env-file", "nothing", "--json")
        assert [(one["code"], str(shop) in one["message"]) for one in done.json["warnings"]] == [
            ("project-above", True)
        ]

    def test_have_fixes_that_are_about_it(self, cli, shop):
        (shop / ".env").write_text(LINE)
        assert cli("env").err.splitlines()[-1] == "  fix: `planodev -C ../.. up`"

    def test_see_paths_that_were_typed_from_where_they_were_typed(self, cli, shop):
        (shop / "src/deep/there").mkdir()
        assert cli("production", "rds", "--output", "there").code == 0
        assert (shop / "src/deep/there/PRODUCTION.md").exists()
        error = cli("verify", "--env-file", "../nothing", "--json").json["error"]
        assert error["message"] == f"`{shop}/src/nothing` does not exist"

    def test_named_by_an_option_stay_where_they_are(self, cli, shop):
        done = cli("-C", ".", "env")
        assert (done.code, done.out) == (7, "")
        assert "`planodev -C . up`" in done.err
        assert f"`planodev -C {shop} status` is about that project" in done.err

    def test_run_a_command_where_the_user_is(self, shop):
        assert self.ran("pwd") == str(shop / "src/deep")

    def test_run_planoai_where_its_configuration_is(self, shop, monkeypatch):
        from planodev.commands import handover
        from planodev.look import Context
        from planodev.steps import before_plano
        from tests.support.silent import Silent

        monkeypatch.setattr(before_plano, "check", lambda seen: None)
        monkeypatch.setattr(
            handover, "look", lambda context: SimpleNamespace(engine=SimpleNamespace(close=lambda: None))
        )
        monkeypatch.setattr(handover, "replace", lambda one, **changes: one)
        context = Context(identity.at(shop), {}, {}, Silent(), shop / "src/deep")
        assert handover.run(context, ["planoai", "up"]).directory == shop
        (shop / "src/deep/config.yaml").write_text(CONFIG)
        assert handover.run(context, ["planoai", "up"]).directory == shop / "src/deep"

    @staticmethod
    def ran(*command):
        words = [sys.executable, "-m", "planodev", "-q", "run", "--", *command]
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


class TestUp:
    @pytest.mark.parametrize(
        ("name", "text"), [("config.yaml", CONFIG), ("plano_config.yaml", "# to come\n"), (".env", DATABASE)]
    )
    def test_asks_before_it_creates_a_second_database(self, cli, shop, name, text):
        Path(name).write_text(text)
        for options in ([], ["--yes"], ["--dry-run"]):
            error = cli("up", *options, "--json").json["error"]
            assert error["code"] == "project-above"
            assert error["fix"] == (
                f"`planodev up --here` creates a second one here; `planodev -C {shop} up` starts that project's"
            )

    def test_does_not_ask_where_another_tool_has_its_config(self, shop):
        Path("config.yaml").write_text("theme: x\n")
        assert not search.above(Path.cwd()).own_files

    @pytest.mark.parametrize(("answer", "directory"), [("y", "src/deep"), ("n", ".")])
    def test_does_as_it_is_told(self, shop, answer, directory):
        Path("config.yaml").write_text(CONFIG)
        assert str(shop / directory) == asked(answer)

    def test_here_creates_one(self, cli, shop):
        Path("config.yaml").write_text("theme: [\n")  # which ends it before an engine is asked
        done = cli("up", "--here", "--json").json
        assert (done["error"]["code"], done["warnings"]) == ("bad-config-file", [])
        assert str(shop / "src/deep/config.yaml") in done["error"]["message"]


def asked(answer):
    """Return the directory that `up` works in once its question was answered at a terminal."""
    code = (
        "import sys; from planodev.commands import up; from planodev.cli import up as cli, main\n"
        "cli.up = lambda context: sys.exit(str(context.project.path)); sys.stdin.reconfigure(); main.main(['up'])"
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
    return said.decode().split()[-1]
