"""Real checkouts: links, worktrees, submodules, owners, what git ignores, and names that a shell would split."""

import os
import pwd
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import platformdirs
import pytest

from planodev.problems import BadInput
from planodev.project import private_files, user_paths
from tests.support.git import git
from tests.support.on_fake import CommandLine
from tests.support.tiers import slow_but

root_only = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")
ANOTHER = 12345  # a user without a name
COMMANDS = ("status", "env", "verify", "doctor", "up")


def repository(path):
    path.mkdir(parents=True)
    git(path, "init", "-q")
    (path / "README.md").write_text("shop\n")
    git(path, "add", ".")
    git(path, "commit", "-q", "-m", "first")
    return path


def untracked(directory):
    """Return what `git add -A` would add."""
    return git(directory, "status", "--porcelain", "-uall").split()[1::2]


@pytest.fixture
def at(tmp_path, monkeypatch, capsys):
    """Return what gives the command line in a directory; all of them share one engine."""
    made = []

    def on(directory):
        line = CommandLine(directory, tmp_path / "home", monkeypatch, capsys)
        made.append(line)
        line.engine = made[0].engine
        return line

    return on


@pytest.fixture
def project(tmp_path, at):
    return at(repository(tmp_path / "shop"))


class TestLinks:
    def test_a_link_within_the_project_stays_one_and_git_ignores_both(self, project):
        (project.directory / ".env.local").write_text("A=1\n")
        (project.directory / ".env").symlink_to(".env.local")
        assert project("up", "--json").code == 0
        assert (project.directory / ".env").readlink() == Path(".env.local")
        assert (project.directory / ".env.local").read_text().startswith("A=1\n# planodev project: ")
        assert (project.directory / ".gitignore").read_text() == ".env\n.env.local\n"
        assert untracked(project.directory) == [".gitignore", "config.yaml"]

    def test_a_link_out_of_the_project_is_refused_by_every_command_and_not_written(self, project, tmp_path):
        shared = tmp_path / "secrets.env"
        shared.write_text("A=1\n")
        (project.directory / ".env").symlink_to(shared)
        for command in COMMANDS:
            assert "outside this project" in project(command).err + project(command).out, command
        assert shared.read_text() == "A=1\n"
        assert project.engine.changes == []
        assert project("up", "--dotenv", ".env.plano", "--json").code == 0
        assert project("status", "--json").json["data"]["state"] == "running"
        assert shared.read_text() == "A=1\n"

    def test_one_that_was_asked_for_by_name_is_written_and_taken_from_then_on(self, project, tmp_path):
        shared = tmp_path / "secrets.env"
        shared.write_text("A=1\n")
        (project.directory / ".env").symlink_to(shared)
        assert project("up", "--dotenv", ".env", "--json").code == 0
        assert "DB_PASS=" in shared.read_text()
        assert (project.directory / ".env").is_symlink()
        assert project("up", "--json").code == 0
        assert project("status", "--json").json["data"]["state"] == "running"

    @pytest.mark.parametrize("asked", [(), ("--dotenv", ".env")])
    def test_two_worktrees_never_share_a_file_by_a_link(self, project, at, tmp_path, asked):
        assert project("up", "--json").code == 0
        before = (project.directory / ".env").read_bytes()
        git(project.directory, "worktree", "add", "-q", tmp_path / "feature")
        (tmp_path / "feature/.env").symlink_to(project.directory / ".env")
        feature = at(tmp_path / "feature")
        done = feature("up", "--json", *asked)
        assert (done.code, done.error) == (4, "env-file-of-another-checkout")
        assert (project.directory / ".env").read_bytes() == before
        assert feature("up", "--dotenv", ".env.plano", "--json").code == 0
        for _ in range(2):
            ports = {line("status", "--json").json["data"]["container"] for line in (project, feature)}
            assert len(ports) == 2
            assert project("up", "--json").code == feature("up", "--json").code == 0
        assert (project.directory / ".env").read_bytes() == before

    @pytest.mark.parametrize("inner", ["worktree", "subdirectory"])
    def test_a_link_to_the_file_of_a_project_further_inside_is_one_to_that_of_another(self, project, at, inner):
        inside = project.directory / "inside"
        if inner == "worktree":
            git(project.directory, "worktree", "add", "-q", inside)
        else:
            inside.mkdir()
        assert at(inside)("up", "--here", "--json").code == 0
        before = (inside / ".env").read_bytes()
        (project.directory / ".env").symlink_to("inside/.env")
        for _ in range(2):
            for command in (("up", "--json"), ("up", "--dotenv", ".env", "--json"), ("status", "--json")):
                assert project(*command).error == "env-file-of-another-checkout"
            assert at(inside)("up", "--json").code == 0
        assert (inside / ".env").read_bytes() == before

    def test_a_file_to_which_another_project_has_a_link_is_that_projects(self, project, at):
        inside, shared = project.directory / "inside", project.directory / ".env"
        inside.mkdir()
        shared.write_text("A=1\n")
        (inside / ".env").symlink_to("../.env")
        done = at(inside)("up", "--here", "--dotenv", ".env", "--json")
        assert done.code == 0
        [warned] = [found for found in done.json["warnings"] if found["code"] == "env-file-not-ignored"]
        assert "`../.env`" in warned["message"]
        before = shared.read_bytes()
        assert project("up", "--json").error == "env-file-of-another-checkout"
        assert shared.read_bytes() == before
        assert project("up", "--dotenv", ".env.plano", "--json").code == 0
        assert at(inside)("status", "--json").json["data"]["state"] == "running"
        subprocess.run(warned["fix"].strip("`"), shell=True, check=True, cwd="/")
        assert ".env" not in untracked(project.directory)
        assert "env-file-not-ignored" not in at(inside)("up", "--json").warnings

    def test_a_worktree_of_a_bare_clone_is_a_project(self, project, at, tmp_path):
        git(tmp_path, "clone", "-q", "--bare", project.directory, tmp_path / "shop.git")
        git(tmp_path / "shop.git", "worktree", "add", "-q", tmp_path / "tree")
        assert at(tmp_path / "tree")("up", "--json").warnings.count("env-file-not-ignored") == 0
        assert untracked(tmp_path / "tree") == [".gitignore", "config.yaml"]

    def test_a_submodule_is_a_project_of_its_own(self, project, at, tmp_path):
        inner = repository(tmp_path / "agent")
        git(project.directory, "submodule", "add", "-q", inner, "agent")
        assert at(project.directory / "agent")("up", "--json").code == 0
        assert untracked(project.directory / "agent") == [".gitignore", "config.yaml"]
        assert not (project.directory / ".env").exists()

    @pytest.mark.parametrize(("target", "said"), [("gone", "which does not exist"), (".env", "which is a loop")])
    def test_a_link_to_nothing_is_named(self, project, target, said):
        (project.directory / ".env").symlink_to(target)
        for command in COMMANDS:
            done = project(command)
            assert said in done.err + done.out, command
        assert (project.directory / ".env").is_symlink()


class TestMoved:
    """A project whose directory is elsewhere since, and what is copied from it or to it."""

    def data(self, line):
        return line("status", "--json").json["data"]["volume"]

    def test_one_that_was_moved_back_is_the_original_and_the_copy_at_the_other_place_is_not(self, at, tmp_path):
        first, other = tmp_path / "first", tmp_path / "other"
        first.mkdir()
        assert at(first)("up", "--json").code == 0
        volume = self.data(at(first))
        first.rename(other)
        assert at(other)("up", "--json").code == 0
        other.rename(first)
        shutil.copytree(first, other)
        assert (self.data(at(first)), self.data(at(other))) == (volume, None)
        assert at(other)("up", "--json").code == 0
        assert at(first)("up", "--json").code == 0
        assert (self.data(at(first)), self.data(at(other)) in (volume, None)) == (volume, False)

    def test_one_that_gets_the_env_file_of_another_keeps_its_own_database(self, at, tmp_path):
        first, moved, another = (tmp_path / name for name in ("first", "moved", "another"))
        for directory in (first, another):
            directory.mkdir()
            assert at(directory)("up", "--json").code == 0
        volume = self.data(at(first))
        first.rename(moved)
        assert at(moved)("up", "--json").code == 0
        shutil.copy(another / ".env", moved / ".env")
        assert self.data(at(moved)) == volume
        assert at(moved)("up", "--json").code == 0
        assert self.data(at(moved)) == volume != self.data(at(another))


class TestWhatIsNoFile:
    def test_a_virtual_environment_is_kept(self, project):
        (project.directory / ".env").mkdir()
        (project.directory / ".env/pyvenv.cfg").write_text("home = /usr\n")
        done = project("up")
        assert "[env-file-is-directory]" in done.err
        assert "rmdir" not in done.err
        assert project("up", "--dotenv", ".env.plano", "--json").code == 0
        assert project("status", "--json").code == 0
        assert (project.directory / ".env/pyvenv.cfg").exists()

    def test_an_empty_directory_can_be_removed(self, project):
        (project.directory / ".env").mkdir()
        assert "rmdir" in project("up").err

    def test_a_pipe_is_not_waited_for(self, project):
        os.mkfifo(project.directory / ".env")
        for command in COMMANDS:
            done = project(command)
            assert "is a pipe" in done.err + done.out, command
        assert project("up", "--dotenv", ".env.plano", "--json").code == 0
        assert stat.S_ISFIFO((project.directory / ".env").stat().st_mode)


class TestIgnored:
    def test_the_file_in_place_of_env_is_ignored_too(self, project):
        assert project("up", "--dotenv", ".env.plano", "--json").code == 0
        assert untracked(project.directory) == [".gitignore", "config.yaml"]

    def test_rules_that_take_it_in_again_are_overruled(self, project):
        (project.directory / ".gitignore").write_text(".env*\n!.env\n")
        assert project("up", "--json").warnings.count("env-file-not-ignored") == 0
        assert ".env" not in untracked(project.directory)

    @pytest.mark.parametrize("what", ["link", "dangling", "directory"])
    def test_a_gitignore_without_effect_is_said_and_the_fix_has_one(self, project, what):
        rules, rest = project.directory / ".gitignore", project.directory / "rules"
        if what == "link":
            rest.write_text("dist\n")
        rules.mkdir() if what == "directory" else rules.symlink_to("rules")
        done = project("up", "--json")
        assert done.code == 0
        [warned] = [found for found in done.json["warnings"] if found["code"] == "env-file-not-ignored"]
        assert ("a directory" if what == "directory" else "a link") in warned["message"]
        assert rest.exists() == (what == "link")
        if what == "link":
            assert rest.read_text() == "dist\n"
        subprocess.run(warned["fix"].strip("`"), shell=True, check=True, cwd="/")
        assert ".env" not in untracked(project.directory)
        assert "env-file-not-ignored" not in project("up", "--json").warnings

    def test_a_gitignore_that_cannot_be_read_is_a_warning(self, project):
        (project.directory / ".gitignore").write_text("#" + "x" * 10_000_000)
        done = project("up", "--json")
        assert (done.code, "gitignore-unwritable" in done.warnings) == (0, True)

    def test_a_tracked_file_is_a_warning(self, project):
        (project.directory / ".env").write_text("A=1\n")
        git(project.directory, "add", "-f", ".env")
        assert "env-file-tracked" in project("up", "--json").warnings

    def test_one_that_git_keeps_encrypted_is_none(self, project):
        (project.directory / ".env").write_text("A=1\n")
        (project.directory / ".gitattributes").write_text(".env filter=git-crypt diff=git-crypt\n")
        git(project.directory, "add", "-f", ".env")
        assert not {"env-file-tracked", "env-file-not-ignored"} & {*project("up", "--json").warnings}

    def test_the_keys_that_are_saved_beside_planodevs_own_file_are_ignored_too(self, project):
        (project.directory / ".env").write_text("A=1\n")
        shell = {"ANTHROPIC_API_KEY": "sk-ant-12345"}
        assert project("up", "--dotenv", ".env.plano", "--save-keys", "--json", **shell).code == 0
        assert "ANTHROPIC_API_KEY=sk-ant-12345" in (project.directory / ".env").read_text()
        assert untracked(project.directory) == [".gitignore", "config.yaml"]

    def test_without_git_nobody_knows(self, project, tmp_path, monkeypatch):
        monkeypatch.setenv("PATH", str(tmp_path))
        assert "env-file-not-checked" in project("up", "--json").warnings

    @root_only
    def test_a_repository_of_another_owner_is_named_with_the_command_that_trusts_it(self, project, monkeypatch):
        monkeypatch.delenv("SUDO_UID", raising=False)
        for path in (project.directory, *project.directory.rglob("*")):
            os.chown(path, ANOTHER, ANOTHER, follow_symlinks=False)
        done = project("up", "--json")
        [warned] = [found for found in done.json["warnings"] if found["code"] == "env-file-not-checked"]
        assert "another user" in warned["message"]
        assert "safe.directory" in warned["fix"]

    def test_what_a_killed_write_has_left_is_swept_by_the_next_command(self, project):
        assert project("up", "--json").code == 0
        left = project.directory / ".planodev-0123456789ab"
        left.mkdir()
        (left / ".gitignore").write_text("*\n")
        (left / "new").write_text("DB_PASS=secret\n")
        assert not [name for name in untracked(project.directory) if "planodev-" in name]
        project("up", "--dry-run")
        assert left.exists()
        project("status")
        assert not private_files.leftovers(project.directory)

    def test_what_a_killed_write_has_left_beside_the_target_of_a_link_is_swept_too(self, project):
        beside = project.directory / "secrets"
        beside.mkdir()
        (beside / "app.env").write_text("A=1\n")
        (project.directory / ".env").symlink_to("secrets/app.env")
        old, new = beside / ".planodev-0123456789ab", beside / ".planodev-ba9876543210"
        for left in (old, new):  # the second may be of another project that writes there at this moment
            left.mkdir()
            (left / ".gitignore").write_text("*\n")
            (left / "new").write_text("DB_PASS=secret\n")
        os.utime(old, (0, 0))
        project("status")
        assert private_files.leftovers(beside) == [new]


@root_only
class TestRoot:
    def test_what_root_creates_belongs_to_the_owner_of_the_checkout(self, project, tmp_path):
        os.chown(project.directory, ANOTHER, ANOTHER)
        os.chown(tmp_path / "home/xdg_state_home", ANOTHER, ANOTHER)
        assert project("up", "--json").code == 0
        made = [project.directory / name for name in (".env", "config.yaml")]
        made += list((tmp_path / "home/xdg_state_home").rglob("*"))
        assert len(made) > 3
        assert {path.stat().st_uid for path in made} == {ANOTHER}


PLACES = [
    "two words", "it's", 'a "quote"', "$HOME", "`id`", "бот", "数据库", "-rf", "a;b", "x" * 200, "new\nline",
    "\u202eright", "été", "%20", "tab\there", "100%", "#", "~", "*",
]  # fmt: skip


@pytest.mark.parametrize("name", slow_but(("it's", "$HOME", "-rf", "new\nline"), PLACES), ids=ascii)
def test_a_directory_of_any_name_is_a_project_and_its_commands_can_be_pasted(at, tmp_path, name):
    place = at(repository(tmp_path / name))
    assert place("up", "--json").code == 0
    assert place("status", "--json").json["data"]["state"] == "running"
    outside = at(tmp_path)
    shown = outside("-C", place.directory, "down", "--keep-data")
    assert shown.code == 0
    lines = re.findall(r"`(planodev .*?)`(?=\s|$)", shown.out, re.DOTALL)
    assert lines
    for line in lines:
        said = subprocess.run(
            ["bash", "-c", f'planodev() {{ printf "%s\\0" "$@"; }}; {line}'], capture_output=True, check=True
        ).stdout.split(b"\0")
        assert said[:2] == [b"-C", str(place.directory).encode()], line


ANSWERED = [("--help",), ("status",), ("up", "--dry-run"), ("doctor",), ("down",)]


class TestOddMachines:
    """The process as a whole, with an environment in which programs fall over."""

    def run(self, directory, *arguments, cwd=None, before="", **variables):
        environment = {"PATH": os.environ["PATH"], "HOME": str(directory.parent / "home"), **variables}
        environment = {name: value for name, value in environment.items() if value is not None}
        command = [sys.executable, "-m", "planodev", *map(str, arguments)]
        if before:
            command = ["sh", "-c", f'{before}; exec "$@"', "sh", *command]
        return subprocess.run(
            command, capture_output=True, check=False, cwd=cwd or directory, env=environment, timeout=60
        )

    @pytest.fixture
    def place(self, tmp_path):
        (tmp_path / "home").mkdir()
        return repository(tmp_path / "shop ünï")

    @pytest.mark.parametrize(
        "variables",
        [
            {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
            {"LC_ALL": "POSIX", "PYTHONIOENCODING": "ascii"},
            {"PYTHONIOENCODING": "latin-1"},
            {"TERM": "dumb", "COLUMNS": "20"},
            {"COLUMNS": "0"},
            {"TERM": None, "LANG": None},
            {"HOME": None},
            {"HOME": ""},
            {"HOME": "/dev/null/home"},
            {"HOME": "relative"},
        ],
        ids=str,
    )
    @pytest.mark.parametrize("command", slow_but([("status",), ("up", "--dry-run")], ANSWERED))
    def test_a_command_ends_with_an_answer(self, place, command, variables):
        found = {"PLANODEV_ENGINE": "docker", "DOCKER_HOST": "unix:///nowhere.sock", **variables}
        done = self.run(place, *command, **found)
        said = (done.stdout + done.stderr).decode(errors="replace")
        assert "Traceback" not in said, said
        assert "[unexpected]" not in said, said
        assert "planodev itself failed" not in said, said
        assert done.returncode in (0, 2, 3, 7), said
        assert sorted(os.listdir(place)) == [".git", "README.md"]

    def test_a_locale_without_the_letters_of_the_directory_is_named_with_what_mends_it(self, place):
        odd = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "PLANODEV_ENGINE": "docker"}
        odd["DOCKER_HOST"] = "unix:///nowhere.sock"
        done = self.run(place, "status", **odd)
        assert b"cannot be encoded in this shell's locale" in done.stderr
        name, value = re.search(r"`export (\w+)=(\w+)`", done.stderr.decode(errors="replace")).groups()
        assert self.run(place, "status", **{**odd, name: value}).returncode == 0

    @pytest.mark.parametrize("umask", ["027", "077", "000"])
    def test_the_files_have_their_modes_whatever_the_umask(self, place, at, umask):
        old = os.umask(int(umask, 8))
        try:
            assert at(place)("up", "--json").code == 0
        finally:
            os.umask(old)
        assert stat.S_IMODE((place / ".env").stat().st_mode) == 0o600

    def test_a_current_directory_that_was_deleted_is_named(self, place):
        gone = place.parent / "gone"
        gone.mkdir()
        done = self.run(gone, "status", before=f"rmdir '{gone}'")
        assert done.returncode == 2
        assert b"[no-directory]" in done.stderr
        assert b"mkdir -p ." not in done.stderr

    @root_only
    def test_a_user_without_a_name_is_one(self, place):
        for path in (place, *place.rglob("*"), place.parent / "home"):
            os.chown(path, ANOTHER, ANOTHER, follow_symlinks=False)
        found = {"PLANODEV_ENGINE": "docker", "DOCKER_HOST": "unix:///nowhere.sock", "HOME": None}
        command = ["setpriv", f"--reuid={ANOTHER}", f"--regid={ANOTHER}", "--clear-groups", sys.executable]
        check = subprocess.run([*command, "-c", "import planodev"], capture_output=True, check=False, cwd=place)
        if check.returncode:
            pytest.skip("planodev is where other users may not read")
        done = subprocess.run(
            [*command, "-m", "planodev", "status"],
            capture_output=True,
            check=False,
            cwd=place,
            env={"PATH": os.environ["PATH"], **{k: v for k, v in found.items() if v}},
        )
        assert done.returncode in (0, 2, 3), done.stderr
        assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"XDG_STATE_HOME": "/s", "XDG_DATA_HOME": "/d/", "XDG_CACHE_HOME": "/c"},
        {"HOME": ""},
        {"XDG_DATA_HOME": " "},
    ],
    ids=repr,
)
def test_the_users_directories_are_those_of_platformdirs(monkeypatch, variables):
    for name in ("XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": "/home/ann", **variables}.items():
        monkeypatch.setenv(name, value)
    # Whoever runs this may have no name.
    monkeypatch.setattr(pwd, "getpwuid", lambda _number: SimpleNamespace(pw_dir="/home/ben"))
    assert user_paths.state() == platformdirs.user_state_path("planodev")
    assert user_paths.data() == platformdirs.user_data_path("planodev")
    assert user_paths.cache() == platformdirs.user_cache_path("planodev")


@pytest.mark.parametrize(
    "found", [Path("~/.local/state/planodev"), RuntimeError("could not determine the home")], ids=repr
)
def test_a_user_without_a_home_is_told_by_what_mends_it(monkeypatch, found):
    def look(_name):
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr("platformdirs.user_state_path", look)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    with pytest.raises(BadInput) as caught:
        user_paths.state()
    assert caught.value.code == "no-home"
