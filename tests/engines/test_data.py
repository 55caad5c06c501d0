"""What can be wrong with the data directory: half made, of another version, forbidden, full, or taken for used."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from planodev.engines.embedded import cluster, directories
from planodev.engines.embedded.directories import DataDirectory
from planodev.problems import Conflict
from planodev.project import identity
from tests.support.engine_project import OnEngine, gone
from tests.support.namespace import elsewhere
from tests.support.ports import free_port
from tests.support.requirements import as_root, require_namespace
from tests.support.tiers import slow_but
from tests.support.waiting import until

pytestmark = pytest.mark.embedded


def servers(base):
    """Return the postmasters below a directory."""
    return [
        p.pid
        for p in psutil.process_iter(["name", "cmdline"])
        if p.info["name"] == "postgres" and str(base) in " ".join(p.info["cmdline"] or [])
    ]


@pytest.mark.slow
def test_killed_at_twenty_moments_it_is_mended_by_the_next_up(make_project, base):
    project = make_project()
    halves = 0
    for number in range(20):
        running = project.start("up")
        time.sleep(0.05 + 0.045 * number)  # noqa: TID251  the moment is the fault
        running.kill()
        running.communicate()
        halves += any(base.glob("data/planodev/postgres/*/data")) and not any(
            base.glob("data/planodev/postgres/*/ready")
        )
        for pid in servers(base) if number % 3 == 0 else ():  # a third lose the server as well, as in a power failure
            with suppress(psutil.NoSuchProcess):  # one that made the data ends by itself
                psutil.Process(pid).kill()
            gone(pid)
        project("up")
        project.store("kept")
        assert len(servers(base)) == 1
        assert len([p for p in (base / "data/planodev/postgres").iterdir() if not p.name.startswith(".")]) == 1
        assert project.stored() == ["kept"]
        if number < 19:
            project("down", "--delete-data", "--yes")
    project("down", "--keep-data")
    project("up")
    assert project.stored() == ["kept"]
    assert halves > 1  # of the twenty, how many depends on the machine


def test_turns_in_the_database_postgres_are_counted_too(make_project):
    project = make_project()
    project.write(".env", "DB_NAME=postgres\n")
    (project.path / ".env").chmod(0o600)
    project("up")
    project.store("kept", "this")
    message = project("down", "--delete-data", "--json", code=2).json["error"]["message"]
    assert "2 stored conversation turns in the data directory" in message
    project.change(".env", "^DB_NAME=.*", "DB_NAME=other")
    assert "the database `postgres` keeps 2 stored turns" in project("up", "--dry-run").err


@pytest.mark.parametrize("left", slow_but(["no mark"], ["nothing", "labels", "no version", "no mark"]))
@pytest.mark.first_start
def test_what_a_first_start_left_behind_is_made_anew(project, left):
    project("up")
    with project.login() as session:
        session.execute("DROP TABLE conversation_states")  # which is made after the mark alone
    project("down", "--keep-data")
    place = project.place()
    (place / "ready").unlink()
    if left == "nothing":
        (place / "labels.json").unlink()
        shutil.rmtree(place / "data")
    elif left == "labels":
        shutil.rmtree(place / "data")
    elif left == "no version":
        (place / "data/PG_VERSION").unlink()
    done = project("up")
    assert ("was never ready" in done.err) == (left != "nothing")
    assert project.stored() == []


LOST = ["ready", "labels.json", "password"]


@pytest.mark.parametrize("lost", slow_but([LOST], [LOST[:1], LOST[:2], LOST]))
def test_data_that_holds_a_table_is_never_made_anew_whatever_became_of_its_mark(filled, lost):
    filled("down", "--keep-data")
    for name in lost:
        (filled.place() / name).unlink()
    assert "recreating it" not in filled("up", "--dry-run").err
    assert "recreating it" not in filled("up").err
    assert filled.stored() == ["kept"]


def test_data_that_was_ready_is_never_made_anew(filled):
    filled("down", "--keep-data")
    place = filled.place()
    for lost in ("labels.json", "password"):
        (place / lost).rename(place / f"{lost}.away")
    filled("up")
    assert filled.stored() == ["kept"]
    filled("down", "--keep-data")
    (place / "data/global/pg_control").rename(place / "away")
    failed = filled("up", "--json", code=6)
    assert failed.error == "server-stopped"
    assert "pg_control" in failed.json["error"]["why"]
    (place / "away").rename(place / "data/global/pg_control")
    filled("up")
    assert filled.stored() == ["kept"]


def test_a_pid_file_of_a_dead_process(filled):
    filled.kill()
    assert (filled.place() / "data/postmaster.pid").exists()
    filled("up")
    assert filled.stored() == ["kept"]


@pytest.mark.slow
def test_a_pid_file_whose_number_belongs_to_another_program_now(filled):
    filled("down", "--keep-data")
    place = filled.place()
    owner = place.stat()
    as_owner = {"user": owner.st_uid, "group": owner.st_gid} if os.geteuid() == 0 else {}
    other = subprocess.Popen(["sleep", "60"], **as_owner)
    try:
        for text in (
            f"{other.pid}\n{place / 'data'}\n{int(time.time())}\n5432\n\n127.0.0.1\n",
            f"{other.pid}\n",
            "x\n",
        ):
            (place / "data/postmaster.pid").write_text(text)
            os.chown(place / "data/postmaster.pid", owner.st_uid, owner.st_gid)
            assert filled.status()["state"] == "stopped"
            assert "was not running" in filled("down", "--keep-data").out
            if text == "x\n":
                (place / "data/postmaster.pid").unlink()
            filled("up")
            assert filled.stored() == ["kept"]
            filled("down", "--keep-data")
        assert other.poll() is None  # nothing that planodev did not start is ever ended
    finally:
        other.kill()
        other.wait()


def test_data_of_another_major_version_stays_as_it_is(project):
    project("up")
    project("down", "--keep-data")
    place = project.place()
    (place / "data/PG_VERSION").write_text("15\n")
    refused = project("up", "--json", code=4)
    assert refused.error == "data-of-another-version"
    assert "PostgreSQL 15" in refused.json["error"]["message"]
    assert "data directory" in refused.json["error"]["message"]
    assert (place / "data/PG_VERSION").read_text() == "15\n"


def test_permissions_that_postgres_refuses_are_mended(filled):
    filled("down", "--keep-data")
    (filled.place() / "data").chmod(0o755)
    filled("up")
    assert filled.stored() == ["kept"]


@pytest.mark.slow
@pytest.mark.parametrize("closed", slow_but(["data"], ["place", "data"]))
def test_data_that_may_not_be_read_is_not_taken_for_none(base, closed):
    require_namespace()
    home = base / "home"
    home.mkdir()
    project = OnEngine(home / "shop", base, "embedded")
    for path in (home, project.path):
        os.chown(path, 65534, 65534)
    mine = {"as_user": 65534, "XDG_DATA_HOME": None, "XDG_STATE_HOME": None, "HOME": str(home)}
    elsewhere(project, "", "up", **mine)
    elsewhere(project, "", "down", "--keep-data", **mine)
    (place,) = (home / ".local/share/planodev/postgres").iterdir()
    shut = place if closed == "place" else place / "data"
    shut.chmod(0)
    said = json.loads(elsewhere(project, "", "up", "--json", code=4, **mine).stdout)["error"]
    assert said["code"] == "data-denied"
    command, owner = re.search("`(chmod .*)` as (.*), or", said["fix"]).groups()
    as_owner = ["setpriv", f"--reuid={owner}", "--clear-groups", "sh", "-c", command]
    subprocess.run(as_owner, check=True)
    elsewhere(project, "", "up", **mine)
    elsewhere(project, "", "down", "--keep-data", **mine)
    shut.chmod(0)
    os.chown(shut, 1, 1)
    refused = elsewhere(project, "", "up", "--json", code=4, **mine)
    assert "data-denied" in refused.stdout
    assert [p.name for p in place.parent.iterdir()] == [place.name]
    os.chown(shut, 65534, 65534)
    shut.chmod(0o700)
    elsewhere(project, "", "up", **mine)
    project.login().close()


@pytest.mark.slow
def test_data_of_the_wrong_owner_is_said(project):
    as_root()
    project("up")
    project("down", "--keep-data")
    os.chown(project.place() / "data", 3, 3)
    refused = project("up", "--json", code=4)
    assert refused.error == "data-denied"
    subprocess.run(re.fullmatch("`(chown -R .*)`", refused.json["error"]["fix"])[1], shell=True, check=True)
    project("up")


def test_data_of_another_users_planodev_is_told_until_planodev_is_run_as_that_user(tmp_path, monkeypatch):
    """By `sudo` beside one's own data, and without it beside root's; each way out is taken by who is asked for."""
    as_root()
    theirs, here, number = tmp_path / "theirs", tmp_path / "here", "0" * 16

    def look(home, caller=None, uid=0, owner=0, kept=""):
        monkeypatch.setenv("HOME", str(kept))
        person = SimpleNamespace(pw_name="ann", pw_dir=str(tmp_path), pw_uid=1000) if caller else None
        owners = {1000: SimpleNamespace(pw_name="ann", pw_dir=str(tmp_path), pw_uid=1000)}
        for name, value in (
            ("_caller", lambda: person),
            ("_person", owners.get),
            ("root", lambda: home),
            ("OF_ROOT", theirs),
        ):
            monkeypatch.setattr(directories, name, value)
        monkeypatch.setattr(os, "geteuid", lambda: uid)
        directories.refuse_another_users(number, owner)

    def fix(*where, **who):
        with pytest.raises(Conflict) as raised:
            look(*where, **who)
        assert raised.value.problem.code == "data-of-another-user"
        return str(raised.value.problem.fix)

    own = tmp_path / ".local/share/planodev"
    (own / "postgres" / number).mkdir(parents=True)
    assert fix(here, caller="ann") == "run planodev as ann, without `sudo`"
    assert fix(here, owner=1000) == "run planodev as ann, without `sudo`"  # root in a container that ann works in
    os.chown(tmp_path, 1000, 1000)
    assert fix(here, kept=tmp_path) == "run planodev as ann, without `sudo`"  # `sudo -E`
    look(own, uid=1000)  # as ann
    (theirs / "postgres" / number).mkdir(parents=True)
    assert fix(here, uid=1000) == "run planodev with `sudo`"
    look(theirs)  # as root


@pytest.mark.first_start
def test_a_full_disk_is_told_and_the_fix_goes_on_once_there_is_room(make_project, base):
    require_namespace()
    data = base / "data"
    data.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,mode=755", "tmpfs", str(data)], check=True)
    project = make_project()
    try:
        refused = project("up", "--json", code=6)
        assert refused.error == "data-not-made"
        error = refused.json["error"]
        assert "No space left" in error["why"]
        assert error["fix"].startswith("free space")
        subprocess.run(["mount", "-o", "remount,size=120m", str(data)], check=True)
        assert re.search("then `planodev (.*)`$", error["fix"])[1] == f"-C {project.path} up"
        project("up")
        project.store("kept")
        filled = subprocess.run(
            ["dd", "if=/dev/zero", f"of={data / 'ballast'}", "bs=64k"], capture_output=True, check=False
        )
        assert b"No space" in filled.stderr
        project("down", "--keep-data", code=None)
        project("status")
        failed = project("up", "--json", code=None)
        assert failed.code in (0, 6, 7), failed.out
        (data / "ballast").unlink()
        project("up")
        assert project.stored() == ["kept"]
    finally:
        for pid in servers(base):
            psutil.Process(pid).kill()
            gone(pid)
        subprocess.run(["umount", "-l", str(data)], check=False)


@pytest.mark.slow
def test_a_directory_that_the_server_could_not_enter_is_said(project, base):
    as_root()
    shut = base / "shut"
    shut.mkdir(mode=0o700)
    refused = project("up", "--json", code=2, XDG_DATA_HOME=str(shut / "data"))
    assert refused.error == "data-directory-unreachable"


def test_a_directory_that_another_process_has_just_made_is_waited_for(project, base):
    as_root()
    (base / "data").mkdir(mode=0o700)
    opening = threading.Timer(0.3, (base / "data").chmod, [0o711])
    opening.start()
    cluster.make_directory(identity.at(project.path), DataDirectory(base / "data/planodev/postgres/x"))
    opening.join()


def test_a_file_where_the_directory_should_be(project, base):
    (base / "file").write_text("")
    refused = project("up", "--json", code=2, XDG_DATA_HOME=str(base / "file"))
    assert refused.error == "data-directory-unwritable"


@pytest.mark.slow
def test_a_changed_password_is_followed_where_the_table_is_in_another_schema_and_public_is_gone(filled):
    filled.as_superuser("ALTER DATABASE plano SET search_path = app")
    with filled.login() as session:
        session.execute("CREATE SCHEMA app; ALTER TABLE public.conversation_states SET SCHEMA app; DROP SCHEMA public")
    filled.change(".env", "^DB_PASS=.*", "DB_PASS=changed-by-hand")
    filled("up")
    assert (filled.env["DB_PASS"], filled.stored()) == ("changed-by-hand", ["kept"])


def test_two_projects_share_nothing(make_project):
    first, second = make_project("first"), make_project("second")
    first("up")
    second("up")
    first.store("first")
    assert (second.stored(), first.status()["port"] != second.status()["port"]) == ([], True)
    assert first.env["DB_PASS"] != second.env["DB_PASS"]
    first("down", "--delete-data", "--yes")
    assert Path(second.place()).is_dir()
    second("verify")


def test_a_port_that_is_lost_between_look_and_start(project, monkeypatch):
    from planodev.engines import PortTaken
    from planodev.engines.embedded import process, programs
    from planodev.engines.embedded.directories import DataDirectory, runner
    from planodev.project.identity import at
    from tests.support.ports import listening

    project("up")
    project("down", "--keep-data")
    place = DataDirectory(project.place())
    here = at(project.path)
    with listening() as port, pytest.raises(PortTaken):
        process.start(programs.find(), place, runner(here, place), port, 10)
    project("up", "--port", str(free_port()))


@pytest.mark.slow
@pytest.mark.first_start
def test_data_that_was_begun_ahead_and_is_not_needed_is_removed(project):
    place = project.base / "data/planodev/postgres"
    project.write(".env", "DB_HOST=db.example.com\nDB_PASS=secret\n")
    assert project("up", "--json", code=4).error
    assert list(place.glob("*")) == []
    (project.path / ".env").unlink()
    running = project.start("up")
    until(lambda: running.poll() is not None or list(place.glob(".ahead-*/data")), "data that is begun ahead")
    assert running.poll() is None
    running.kill()
    running.communicate()
    project("up")
    assert project.stored() == []
    assert [entry.name for entry in place.iterdir()] == [project.place().name]
