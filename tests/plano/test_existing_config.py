"""A configuration that is there belongs to the user: shown, asked, and nothing but `state_storage` is changed."""

from __future__ import annotations

import contextlib
import re
from functools import partial

import docker
import psycopg
import pytest

from planodev.postgres import state_table
from planodev.postgres.connection import CONNECTION_STRING
from tests.support.ports import free_port
from tests.support.terminal import on_terminal
from tests.support.tiers import slow_but
from tests.support.waiting import without_error

pytestmark = pytest.mark.docker

MINE = """\
# mine, and every byte of it
version:   v0.3.0   # old
listeners: [ {type: model, name: "m", port: 12000} ]

model_providers:
    -   model: ollama/llama3.1   # local
        base_url: 'http://localhost:11434'
"""
BLOCK = f'state_storage:\n  type: postgres\n  connection_string: "{CONNECTION_STRING}"\n'
STORES = f"{MINE}\n{BLOCK}"
MEMORY = MINE.replace("listeners:", "state_storage:\n  type: memory # for now\nlisteners:")
# text before, text after
EDITS = {
    "none": (MINE, STORES),
    "memory": (
        MEMORY,
        MEMORY.replace("memory # for now", f'postgres # for now\n  connection_string: "{CONNECTION_STRING}"'),
    ),
    "no string": (f"{MINE}state_storage:\n  type: postgres\n", f"{MINE}{BLOCK}"),
}


@pytest.fixture
def mine(ready):
    """Return a project that is up, with a configuration of the user's own, which stores nothing."""
    return ready.write("config.yaml", MINE)


class TestAsked:
    def test_yes_at_a_terminal_makes_the_change_that_was_shown(self, mine):
        code, screen = on_terminal(mine, "up", answers=[("Change `config.yaml` like this?", "y\n")])
        assert (code, (mine.path / "config.yaml").read_text()) == (0, STORES), screen
        shown = [line.strip() for line in screen.splitlines()]
        assert all(f"+{line}" in shown for line in BLOCK.splitlines()), screen
        assert not [line for line in screen.splitlines() if re.match(r"  -(?!-)", line)], screen

    def test_no_at_a_terminal_leaves_it_and_says_that_plano_would_not_store(self, mine):
        code, screen = on_terminal(mine, "up", answers=[("Change `config.yaml` like this?", "n\n")])
        assert (code, (mine.path / "config.yaml").read_text()) == (7, MINE), screen
        assert ("[config-without-storage]" in screen, "was not made" in screen) == (True, True)
        assert "✓" not in screen

    def test_without_a_terminal_it_is_shown_and_not_done(self, mine):
        before = (mine.path / "config.yaml").stat()
        done = mine("up", code=7)
        assert (f"+{BLOCK.splitlines()[2]}" in done.err, "up --yes`" in done.err) == (True, True)
        after = (mine.path / "config.yaml").stat()
        assert ((mine.path / "config.yaml").read_text(), after.st_ino, after.st_mtime_ns) == (
            MINE,
            before.st_ino,
            before.st_mtime_ns,
        )
        failed = mine("up", "--json", code=7)
        assert (failed.error, failed.json["error"]["fix"].startswith(f"`planodev -C {mine.path} up --yes`")) == (
            "config-without-storage",
            True,
        )
        assert mine("verify", "--json", code=7).error == "config-without-storage"
        assert [w["code"] for w in mine("status", "--json").json["warnings"]] == ["config-without-storage"]

    def test_a_dry_run_shows_it_even_under_yes(self, mine):
        done = mine("up", "--dry-run", "--yes")
        assert ("would be updated" in done.err, "+state_storage:" in done.err) == (True, True)
        assert (mine.path / "config.yaml").read_text() == MINE


@pytest.mark.parametrize("name", EDITS)
@pytest.mark.parametrize("file", slow_but(["config.yaml"], ["config.yaml", "plano_config.yaml"]))
def test_yes_changes_state_storage_and_nothing_else(ready, name, file):
    before, after = EDITS[name]
    (ready.path / "config.yaml").unlink()
    ready.write(file, before)
    (ready.path / file).chmod(0o640)
    assert "updated" in ready("up", "--yes").err
    assert [path.name for path in ready.path.glob("*.yaml")] == [file]
    assert (ready.path / file).read_bytes() == after.encode()
    assert (ready.path / file).stat().st_mode & 0o777 == 0o640
    ready("verify")
    assert "unchanged" in next(line for line in ready("up", "--yes").err.splitlines() if file in line)
    assert (ready.path / file).read_bytes() == after.encode()


def test_a_link_stays_a_link_and_line_ends_stay(ready, tmp_path):
    (tmp_path / "real.yaml").write_bytes(MINE.replace("\n", "\r\n").encode())
    (ready.path / "config.yaml").unlink()
    (ready.path / "config.yaml").symlink_to(tmp_path / "real.yaml")
    ready("up", "--yes")
    assert (ready.path / "config.yaml").readlink() == tmp_path / "real.yaml"
    assert (tmp_path / "real.yaml").read_bytes() == STORES.replace("\n", "\r\n").encode()
    (ready.path / "config.yaml").unlink()


@pytest.mark.slow
def test_a_first_up_beside_a_configuration_of_the_users_own(project):
    project.write("config.yaml", MINE)
    assert project("up", "--json", code=7).error == "config-without-storage"
    project("up", "--yes")
    project("verify")
    assert (project.path / "config.yaml").read_text() == STORES


# text, what the reason or the code says
BAD = {
    "no YAML": (MINE + "a: [1,\nb: }\n", "bad-config-file", "line 9, column"),
    "two documents": (f"{MINE}---\n{MINE}", "bad-config-file", "line 8, column 1"),
    "a key twice": (f"{MINE}x: s3cret\nx: s3cret\n", "bad-config-file", "line 9, column 1"),
    "a tab": (MINE + "x:\n\t- 1\n", "bad-config-file", "line 9, column 1"),
    "a list": ("- 1\n", "bad-config-file", "mapping"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_cannot_be_read_is_told_with_the_place_and_left_alone(ready, name):
    text, code, why = BAD[name]
    ready.write("config.yaml", text)
    before = ready.engine()
    for command in (["up", "--yes"], ["verify"]):
        failed = ready(*command, "--json", code=2)
        assert (failed.error, why in failed.json["error"]["why"]) == (code, True), failed.out
        assert failed.json["error"]["fix"]
        assert "s3cret" not in failed.out + failed.err
    assert (ready.engine(), (ready.path / "config.yaml").read_text()) == (before, text)


def test_a_key_that_planoai_might_not_know_is_kept_and_not_judged(ready):
    text = f"{MINE}colour: s3cret\n"
    ready.write("config.yaml", text)
    done = ready("up", "--yes", "--json")
    assert "s3cret" not in done.out
    assert (ready.path / "config.yaml").read_text().startswith(text)


@pytest.fixture
def elsewhere(api, ready):
    """Run one more server, which planodev has not made, where Plano in Docker reaches it: how it is entered there."""
    port = free_port()
    places = [(binding["HostIp"], port) for binding in ready.container()["HostConfig"]["PortBindings"]["5432/tcp"]]
    host = api.create_host_config(port_bindings={5432: places})
    variables = {"POSTGRES_USER": "owner", "POSTGRES_PASSWORD": "theirs", "POSTGRES_DB": "chats"}
    made = api.create_container("postgres:16", environment=variables, host_config=host, ports=[5432])["Id"]
    try:
        api.start(made)
        way = {"host": "127.0.0.1", "port": port, "user": "owner", "password": "theirs", "dbname": "chats"}
        log_in = partial(psycopg.connect, **way, sslmode="disable", autocommit=True)
        with without_error(log_in, psycopg.OperationalError) as session:
            session.execute(state_table.CREATE)
        yield {**way, "host": "host.docker.internal"}
    finally:
        with contextlib.suppress(docker.errors.APIError):
            api.remove_container(made, force=True, v=True)


def own(way, **changed):
    parts = {**way, **changed}
    return "postgresql://{user}:{password}@{host}:{port}/{dbname}".format(**parts)


def storing_in(string):
    return f'{MINE}state_storage: {{type: postgres, connection_string: "{string}"}}\n'


def test_an_own_connection_string_to_another_server_is_respected_and_proved(ready, elsewhere):
    ready.write("config.yaml", storing_in(own(elsewhere)))
    files, before = {p: p.read_bytes() for p in ready.path.iterdir()}, ready.engine()
    failed = ready("up", "--yes", "--json", code=4)
    assert (failed.error, f"owner:***@host.docker.internal:{elsewhere['port']}" in failed.json["error"]["why"]) == (
        "other-database",
        True,
    )
    assert "verify`" in failed.json["error"]["fix"]
    assert ({p: p.read_bytes() for p in ready.path.iterdir()}, ready.engine()) == (files, before)

    proved = ready("verify")
    assert f"as owner at host.docker.internal:{elsewhere['port']}/chats" in proved.out
    for changed, code in (
        ({"password": "wrong"}, "password-refused"),
        ({"dbname": "nowhere"}, "database-missing"),
        ({"port": free_port()}, "connection-refused"),
        ({"host": "nowhere.invalid"}, "name-not-found"),
    ):
        ready.write("config.yaml", storing_in(own(elsewhere, **changed)))
        wrong = ready("verify", "--json", code=7)
        assert (wrong.error, "config.yaml" in wrong.json["error"]["fix"]) == (code, True)
        assert "theirs" not in wrong.out + wrong.err
    with psycopg.connect(**{**elsewhere, "host": "127.0.0.1"}, autocommit=True) as session:
        session.execute("ALTER TABLE conversation_states DROP COLUMN provider")
        ready.write("config.yaml", storing_in(own(elsewhere)))
        assert ready("verify", "--json", code=7).error == "column-missing"
        assert session.execute("SELECT count(*) FROM conversation_states").fetchone() == (0,)


@pytest.mark.slow
def test_an_own_connection_string_needs_no_env_file(project, elsewhere):
    project.write("config.yaml", storing_in(own(elsewhere)))
    assert "planodev -C" in project("up", code=4).err
    proved = project("verify", "--json")
    assert proved.json["ok"]
    assert "`planodev -C" in project("status").out
    assert "verify` verifies the database" in project("status").out
    states = {check["name"]: check["state"] for check in project("doctor", "--json", code=None).json["data"]["checks"]}
    assert (states["env-file"], states["container"], states["config"]) == ("ok", "ok", "warning")
    assert [path.name for path in project.path.iterdir()] == ["config.yaml"]


@pytest.mark.slow
def test_an_own_connection_string_through_a_variable(ready, elsewhere):
    ready.write("config.yaml", storing_in("${CHATS_URL}"))
    assert ready("verify", "--json", code=7).error == "connection-string-unset"
    assert f":{elsewhere['port']}/chats" in ready("verify", CHATS_URL=own(elsewhere)).out
    assert ready("up", "--json", code=4, CHATS_URL=own(elsewhere)).error == "other-database"


def test_an_own_connection_string_to_the_same_database_is_left_as_it_is(ready):
    values = ready.env
    same = {
        "user": values["DB_USER"],
        "password": values["DB_PASS"],
        "port": values["DB_PORT"],
        "dbname": values["DB_NAME"],
    }
    # In Docker planoai replaces `localhost` in the file.
    for host in ("host.docker.internal", "localhost"):
        text = storing_in(own(same, host=host))
        ready.write("config.yaml", text)
        for command in (["up"], ["up", "--yes"], ["verify"]):
            done = ready(*command)
            assert same["password"] not in done.out + done.err
        assert (ready.path / "config.yaml").read_text() == text


def test_a_loopback_address_is_no_way_out_of_plano_s_container(ready):
    values = ready.env
    string = f"postgresql://{values['DB_USER']}:{values['DB_PASS']}@127.0.0.1:{values['DB_PORT']}/{values['DB_NAME']}"
    ready.write("config.yaml", storing_in(string))
    assert ready("up", "--json", code=4).error == "other-database"
    assert ready("verify", "--json", code=7).error == "connection-refused"
