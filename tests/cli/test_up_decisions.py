"""What `up` and `down` decide and ask, whole, on an engine in memory: ports, names, ownership, passwords, prompts."""

from __future__ import annotations

import shutil
import time
from contextlib import suppress

import pytest

from planodev.commands import snapshot
from planodev.commands.down import down
from planodev.commands.up import up
from planodev.commands.verify import verify
from planodev.doctor import examine
from planodev.engines import Storage, port_holders
from planodev.engines.docker import engine as docker
from planodev.look import Context, look
from planodev.problems import BadInput, Conflict, NoEngine, VerificationFailed
from planodev.project import env_file, identity
from planodev.steps import server
from tests.support.fake_engine import FakeEngine
from tests.support.scram import matches
from tests.support.silent import Silent


class Listener(Silent):
    """One who notes what is said, and answers every question alike."""

    def __init__(self, answer=None):
        super().__init__()
        self.answer, self.asked, self.notes, self.done_ = answer, [], [], {}

    def done(self, outcome):
        self.done_[outcome.subject] = outcome.verb

    def note(self, text):
        self.notes.append(text)

    def confirm(self, question, *, default=False):
        self.asked.append(question)
        return self.answer


class OnFake:
    """A project whose Docker is the fake engine."""

    def __init__(self, path, engine):
        path.mkdir(parents=True, exist_ok=True)
        self.path, self.engine = path, engine

    def run(self, command, answer=None, **options):
        self.said = Listener(answer)
        self.engine.changes.clear()
        environment = {"HOME": str(self.path.parent), "PATH": ""}
        return command(Context(identity.at(self.path), options, environment, self.said)).data

    def up(self, **options):
        return self.run(up, **options)

    def refused(self, kind, code, **options):
        """Say that `up` refuses, with nothing changed; returns the error."""
        files = {file.name: file.read_bytes() for file in self.path.iterdir()}
        with pytest.raises(kind) as caught:
            self.up(**options)
        assert caught.value.code == code
        assert self.engine.changes == []
        assert {file.name: file.read_bytes() for file in self.path.iterdir()} == files
        return caught.value

    @property
    def env(self):
        return env_file.load(self.path / ".env").values

    @property
    def container(self):
        return self.engine.observe(identity.at(self.path), env_file.load(self.path / ".env").project_id).container

    @property
    def rows(self):
        return self.engine.data[self.container.volume].databases[self.env["DB_NAME"]]

    @property
    def warnings(self):
        return [notice.code for notice in self.said.notices]


@pytest.fixture
def engine(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    engine = FakeEngine()
    monkeypatch.setattr(docker, "connect", lambda *_: engine)
    return engine


@pytest.fixture
def project(engine, tmp_path):
    return OnFake(tmp_path / "shop", engine)


class TestServer:
    def test_a_first_up_creates_everything_and_a_second_one_changes_nothing(self, project):
        first = project.up()
        assert (first["state"], first["container"], first["port"]) == ("running", "plano-postgres", 5432)
        assert project.engine.changes == ["create"]
        assert project.rows == []
        assert {**project.up(), "settings": None} == {**first, "settings": None}
        assert project.engine.changes == []

    def test_a_stopped_server_is_started_with_its_data(self, project):
        project.up()
        project.rows.append("kept")
        project.run(down, keep_data=True)
        project.up()
        assert (project.engine.changes, project.rows) == (["start"], ["kept"])

    def test_whatever_keeps_a_server_from_being_counted_it_is_stopped(self, project, monkeypatch):
        def fails(*_, **__):
            raise RuntimeError

        project.up()
        monkeypatch.setattr(project.engine, "psql", fails)
        found = project.run(down, keep_data=True)
        assert (found["stopped"], found["conversations"]) == (True, None)
        assert project.container.state == "exited"

    def test_a_removed_container_is_created_again_over_its_data(self, project):
        project.up()
        project.rows.append("kept")
        project.engine.containers.clear()
        project.up()
        assert (project.engine.changes, project.rows) == (["create"], ["kept"])

    def test_another_image_of_the_same_major_replaces_the_server(self, project):
        project.up()
        project.rows.append("kept")
        project.engine.images["postgres:16"] = project.engine.images["postgres:16"]._replace(id="sha256:" + "c" * 64)
        project.up()
        assert project.engine.changes == ["stop", "remove_server", "create"]
        assert project.rows == ["kept"]

    def test_another_major_version_is_refused(self, project):
        project.up()
        project.engine.images["postgres:17"] = project.engine.registry["postgres:17"]
        assert "PostgreSQL 16" in project.refused(Conflict, "data-of-another-version", image="postgres:17").message

    @pytest.mark.parametrize("elsewhere", ["", "/18/docker"])
    def test_data_that_was_never_ready_is_created_again_with_an_image_of_another_major_version(
        self, project, monkeypatch, elsewhere
    ):
        """The fix for an image that lets nobody in names the usual one, whatever its major version is."""
        project.up(image="postgres:17")
        project.engine.containers.clear()
        never = Storage(17, initialised=False, marked=False, elsewhere=elsewhere)
        monkeypatch.setattr(project.engine, "storage", lambda *_: never)
        project.up(image="postgres:16")
        assert project.engine.changes == ["remove_storage", "create"]

    def test_data_that_has_lost_its_mark_and_has_tables_is_refused_until_its_own_image_is_named(
        self, project, monkeypatch
    ):
        project.up(image="postgres:17")
        project.rows.append("kept")
        project.engine.containers.clear()
        made = Storage(17, initialised=True, marked=False)
        monkeypatch.setattr(project.engine, "storage", lambda *_: made)
        error = project.refused(Conflict, "data-of-another-version", image="postgres:16")
        assert "has data of PostgreSQL 17" in error.message
        assert "`planodev up --image postgres:17`" in str(error.fix)
        project.up(image="postgres:17")
        assert (project.engine.changes, project.rows) == (["create"], ["kept"])

    def test_a_missing_image_is_pulled_unless_that_is_forbidden(self, project):
        project.refused(BadInput, "image-missing", image="postgres:17", pull="never")
        project.up(image="postgres:17")
        assert project.engine.changes == ["pull", "create"]

    def test_data_that_was_never_ready_is_created_again_and_other_data_never(self, project):
        project.up()
        data = project.engine.data[project.container.volume]
        project.engine.containers.clear()
        data.ready = False
        project.up()
        assert project.engine.changes == ["remove_storage", "create"]
        project.engine.containers.clear()
        project.up()
        assert project.engine.changes == ["create"]


class TestWithoutEnvFile:
    @pytest.mark.parametrize("server", ["running", "gone"])
    def test_a_deleted_one_gets_back_the_database_and_the_role_that_it_named(self, project, server):
        project.up()
        text = (project.path / ".env").read_text().replace("DB_NAME=plano", "DB_NAME=shop")
        (project.path / ".env").write_text(text.replace("DB_USER=plano", "DB_USER=seller"))
        project.up()
        project.rows.append("kept")
        (project.path / ".env").unlink()
        if server == "gone":
            project.engine.containers.clear()
        found = project.up()
        assert (found["database"], found["user"], project.rows) == ("shop", "seller", ["kept"])

    def test_data_that_was_deleted_since_leaves_nothing_of_it(self, project):
        project.up()
        (project.path / ".env").write_text((project.path / ".env").read_text().replace("=plano\n", "=shop\n"))
        project.up()
        project.run(down, delete_data=True, yes=True)
        (project.path / ".env").unlink()
        found = project.up()
        assert (found["database"], found["user"]) == ("plano", "plano")

    @pytest.mark.parametrize("lost", ["shop/.env", "state"])
    def test_snapshots_are_listed_without_an_engine_by_the_record_or_the_number(
        self, project, monkeypatch, lost, tmp_path
    ):
        project.up()
        before = project.run(snapshot.listed)
        (tmp_path / lost).rename(tmp_path / "lost")

        def silent(*_):
            raise NoEngine("no-engine", "no Docker engine answers", fix="start it")

        monkeypatch.setattr(docker, "connect", silent)
        assert project.run(snapshot.listed) == before


class TestLateContainers:
    @pytest.mark.parametrize("state", ["created", "running"])
    def test_what_the_engine_has_created_for_an_interrupted_up_is_replaced_and_no_second_one_made(self, project, state):
        project.up()
        ((name, made),) = project.engine.containers.items()
        project.engine.containers.clear()
        late = {name: made._replace(state=state)}
        project.engine.before["create"] = lambda: project.engine.containers.update(late)
        project.up()
        assert [(one.name, one.state) for one in project.engine.containers.values()] == [(name, "running")]
        stopped = ["stop"] if state == "running" else []
        assert project.engine.changes == ["create", *stopped, "remove_server", "create"]

    def test_a_volume_that_another_project_gets_first_is_not_waited_for_as_a_container(
        self, project, tmp_path, monkeypatch
    ):
        monkeypatch.setattr(server, "_LISTED", 20.0)
        OnFake(tmp_path / "other", project.engine).up()
        theirs = dict(project.engine.data)
        project.engine.data.clear()
        project.engine.containers.clear()
        project.engine.before["create"] = lambda: project.engine.data.update(theirs)
        began = time.monotonic()
        assert project.up()["container"] == "plano-postgres-shop"
        assert time.monotonic() - began < 20
        assert len(project.engine.containers) == 1


class TestOtherServer:
    """A container that is not the project's has a server over its volume: nothing is written there."""

    @pytest.fixture
    def shared(self, project, monkeypatch):
        project.up()
        project.engine.other_server, run = "theirs", project.engine.psql
        self.asked = []
        monkeypatch.setattr(
            project.engine, "psql", lambda *asked, **how: self.asked.append(asked) or run(*asked, **how)
        )
        return project

    def test_up_refuses_before_it_proves_anything(self, shared):
        assert "`theirs`" in shared.refused(Conflict, "data-in-use").message
        assert self.asked == []

    def test_verify_refuses_before_it_proves_anything(self, shared):
        with pytest.raises(Conflict) as caught:
            shared.run(verify)
        assert (caught.value.code, self.asked) == ("data-in-use", [])

    def test_doctor_tells_it_once_and_asks_the_server_nothing(self, shared):
        said = shared.run(examine)
        checks = {one["name"]: one for one in said["checks"]}
        assert (checks["volume"]["state"], "`theirs`" in checks["volume"]["message"]) == ("failed", True)
        told = {name: checks[name]["message"] for name in ("login", "table", "proof")}
        assert told == dict.fromkeys(told, "skipped: see `volume`")
        assert self.asked == []

    def test_down_stops_the_projects_own_server(self, shared):
        assert shared.run(down, keep_data=True)["stopped"] is True


class TestPorts:
    def test_a_taken_port_moves_to_the_next_free_one_and_stays_there(self, project):
        project.engine.others |= {"theirs": 5432, "more": 5433}
        assert (project.up()["port"], project.warnings[0]) == (5434, "port-moved")
        project.engine.others.clear()
        assert (project.up()["port"], project.env["DB_PORT"]) == (5434, "5434")

    def test_a_taken_port_that_was_asked_for_is_refused(self, project):
        project.engine.others["theirs"] = 5432
        assert "`theirs`" in project.refused(Conflict, "port-taken", port=5432).why

    def test_a_port_that_is_lost_between_look_and_creation_moves(self, project):
        project.engine.before["create"] = lambda: project.engine.others.update(theirs=5432)
        assert (project.up()["port"], project.warnings[0]) == (5433, "port-moved")

    def test_a_start_that_is_interrupted_tells_of_no_other_port(self, project, monkeypatch):
        project.engine.others["theirs"] = 5432

        def interrupted(_):
            raise KeyboardInterrupt

        monkeypatch.setattr("planodev.steps.server._seen_again", interrupted)
        with pytest.raises(KeyboardInterrupt):
            project.up()
        assert project.warnings == []

    def test_a_port_of_roots_is_refused_where_the_server_is_not_roots_and_names_the_one_it_has(
        self, project, monkeypatch
    ):
        monkeypatch.setattr(port_holders, "first_for_everybody", lambda: 1024)
        project.up(port=5434)
        monkeypatch.setattr(FakeEngine, "traits", FakeEngine.traits._replace(runs_as="postgres"))
        error = project.refused(Conflict, "port-privileged", port=80)
        assert error.why == "ports below 1024 need root, and the server runs as `postgres`"
        assert str(error.fix) == "`planodev up --port 5434`"
        monkeypatch.setattr(port_holders, "first_for_everybody", lambda: 0)
        assert project.up(port=80)["port"] == 80

    def test_two_ports_that_are_lost_are_told_once_with_the_one_that_is_used(self, project):
        project.engine.others["theirs"] = 5432
        project.engine.before["create"] = lambda: project.engine.others.update(more=5433)
        assert (project.up()["port"], project.warnings.count("port-moved")) == (5434, 1)
        [told] = [problem.message for problem in project.said.notices if problem.code == "port-moved"]
        assert told == "port 5432 is taken by the container `theirs`, using 5434 instead"

    def test_a_port_that_was_asked_for_and_is_lost_at_the_last_moment_names_a_free_one(self, project):
        project.engine.before["create"] = lambda: project.engine.others.update(theirs=6000)
        with pytest.raises(Conflict) as caught:
            project.up(port=6000)
        assert (caught.value.code, str(caught.value.fix)) == ("port-taken", "`planodev up --port 6001`")

    def test_a_port_that_is_lost_while_it_was_down_moves_and_the_data_stays(self, project):
        project.up()
        project.rows.append("kept")
        project.run(down, keep_data=True)
        project.engine.others["theirs"] = 5432
        assert (project.up()["port"], project.rows) == (5433, ["kept"])


class TestNames:
    def test_a_taken_name_gets_the_projects_name_behind_it(self, project):
        project.engine.others["plano-postgres"] = None
        assert project.up()["container"] == "plano-postgres-shop"

    def test_a_taken_name_that_was_asked_for_is_refused(self, project):
        project.engine.others["db"] = None
        project.refused(Conflict, "name-taken", name="db")

    def test_a_name_that_is_lost_between_look_and_creation_moves(self, project):
        project.engine.before["create"] = lambda: project.engine.others.update({"plano-postgres": None})
        assert project.up()["container"] == "plano-postgres-shop"


class TestOwnership:
    def test_a_moved_project_keeps_its_database(self, project, tmp_path):
        project.up()
        project.rows.append("kept")
        shutil.move(project.path, tmp_path / "elsewhere")
        moved = OnFake(tmp_path / "elsewhere", project.engine)
        moved.up()
        assert (moved.engine.changes, moved.rows) == ([], ["kept"])

    def test_a_copy_gets_a_database_of_its_own(self, project, tmp_path):
        project.up()
        shutil.copytree(project.path, tmp_path / "copy" / "shop")
        copy = OnFake(tmp_path / "copy" / "shop", project.engine)
        assert copy.up()["volume"] != project.up()["volume"]
        assert copy.container.owner.project_id != project.container.owner.project_id
        assert copy.env["DB_PORT"] != project.env["DB_PORT"]

    def test_a_new_checkout_at_the_old_place_is_not_given_the_data(self, project, tmp_path):
        project.up()
        project.path.rename(tmp_path / "away")
        (tmp_path / "away" / ".env").unlink()
        new = OnFake(project.path, project.engine)
        assert project.engine.data.keys() & {"plano-postgres-data"}
        new.refused(Conflict, "data-of-another-checkout")

    def test_a_lost_env_file_is_written_again_with_the_same_password(self, project):
        project.up()
        before = project.env
        (project.path / ".env").unlink()
        project.up()
        assert (project.engine.changes, project.env) == ([], before)

    @pytest.mark.parametrize("by", ["container", "volume"])
    def test_a_lost_env_file_brings_back_the_mode(self, project, engine, by):
        project.up()
        (project.path / ".env").unlink()
        container, data = next(iter(engine.containers.values())), next(iter(engine.data.values()))
        if by == "container":
            engine.containers[container.name] = container._replace(plano="native")
        else:
            engine.containers.clear()
            data.volume = data.volume._replace(plano="native")
        found = look(Context(identity.at(project.path), {}, {}, Silent())).settings.plano
        assert (found.value, found.source) == ("native", f"the {by}'s label")

    def test_another_mode_is_said_before_anything_is_replaced(self, project, engine):
        project.up()
        engine.info = engine.info._replace(local=True)
        project.up(plano="native", dry_run=True)
        (said,) = (note for note in project.said.notes if "switching" in note)
        assert said == (
            "switching from `--plano docker` to `--plano native`: "
            "DB_HOST becomes `127.0.0.1`, and a running Plano has to be started again"
        )
        project.up(dry_run=True)
        assert not [note for note in project.said.notes if "switching" in note]

    def test_the_database_follows_a_changed_password(self, project):
        project.up()
        text = (project.path / ".env").read_text()
        (project.path / ".env").write_text(text.replace(f"DB_PASS={project.env['DB_PASS']}", "DB_PASS=changed"))
        project.up()
        stored = project.engine.data[project.container.volume].roles["plano"]
        assert stored != "changed"  # the server is sent what stands for it
        assert matches(stored, "changed")
        assert any("DB_PASS" in note for note in project.said.notes)

    def test_a_native_plano_cannot_have_an_engine_elsewhere(self, project):
        project.refused(Conflict, "native-needs-local-engine", plano="native")


class TestPrompts:
    def test_a_configuration_that_is_there_is_changed_only_after_yes(self, project):
        file = project.path / "config.yaml"
        project.up()
        before = file.read_text()
        file.write_text(before[: before.index("state_storage:")])
        with pytest.raises(VerificationFailed):
            project.up(answer=False)
        assert (len(project.said.asked), "state_storage" in file.read_text()) == (1, False)
        project.up(answer=True)
        assert (len(project.said.asked), "state_storage" in file.read_text()) == (1, True)

    @pytest.mark.parametrize(("answer", "left"), [(None, 1), (False, 1), (True, 0)])
    def test_data_is_deleted_only_after_yes(self, project, answer, left):
        project.up()
        project.rows.append("kept")
        with suppress(BadInput):
            project.run(down, delete_data=True, answer=answer)
        assert "1 stored conversation turn" in project.said.asked[0]
        assert len(project.engine.data) == left
        assert project.engine.changes == ([] if left else ["stop", "remove_server", "remove_storage"])

    def test_with_yes_nobody_is_asked(self, project):
        project.up()
        project.run(down, delete_data=True, yes=True)
        assert (project.said.asked, project.engine.data) == ([], {})


def test_a_refused_up_waits_for_the_proof_that_it_has_begun(project, monkeypatch):
    """Nothing goes on outside the lock, also where the configuration ends `up` in the meantime."""
    from planodev import fast

    project.up()
    awaited = []
    monkeypatch.setattr(fast, "already_proved", lambda seen: lambda: awaited.append(seen))
    (project.path / "config.yaml").write_text("version: v0.4.0\nversion: v0.4.0\n")
    with pytest.raises(BadInput):
        project.up()
    assert len(awaited) == 1
