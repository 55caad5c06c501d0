"""What planodev promises, on every engine by the same test: up, down, status, verify, env, run, and faults."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time

import psycopg
import pytest

from tests.support.engine_project import OnEngine
from tests.support.ports import free_port, listening
from tests.support.terminal import on_terminal
from tests.support.tiers import slow_but
from tests.support.waiting import until

# On Docker `make test` runs those that it has a part of its own in.
pytestmark = pytest.mark.each_engine(slow="docker")


PASSWORDS = ["p@ss:w/o?r#d", "100%", """a 'b' "c" $d `e` \\f""", "ümläut€", "~tilde", "x=y&z"]


@pytest.mark.each_engine
@pytest.mark.first_start
def test_a_day_from_an_empty_directory_loses_no_conversation(project):
    first = project("up")
    assert "Verified: Plano can store" in first.out
    assert f"engine          {project.engine} " in first.out
    assert stat.S_IMODE((project.path / ".env").stat().st_mode) == 0o600
    assert re.fullmatch(r"[A-Za-z0-9_-]{32}", project.env["DB_PASS"])
    assert project.env["DB_HOST"] == {"docker": "host.docker.internal", "embedded": "127.0.0.1"}[project.engine]
    project.store("monday", "tuesday")
    down = project("down", "--keep-data")
    assert "The data is kept" in down.out
    assert project.status()["state"] == "stopped"
    project("up")
    assert project.stored() == ["monday", "tuesday"]
    now = project.status()
    assert (now["state"], now["table"], now["conversations"]) == ("running", "ready", 2)
    assert now["data_bytes"] > 1_000_000


def test_a_second_up_changes_nothing_and_says_so(project):
    project("up")
    files = {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in project.path.iterdir()}
    before = project.server()
    again = project("up")
    assert {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in project.path.iterdir()} == files
    assert project.server() == before
    steps = [line for line in again.err.splitlines() if line.startswith(("✓", "-"))]
    assert len(steps) == 9
    assert all("unchanged" in line or "verified" in line for line in steps), again.err


def test_the_table_is_as_plano_needs_it_and_nothing_is_turned_off(project):
    project("up")
    with project.login() as session:
        columns = session.execute(
            "SELECT column_name, data_type, is_nullable FROM information_schema.columns "
            "WHERE table_name = 'conversation_states' ORDER BY ordinal_position"
        ).fetchall()
        assert columns == [
            ("response_id", "text", "NO"),
            ("input_items", "jsonb", "NO"),
            ("created_at", "bigint", "NO"),
            ("model", "text", "NO"),
            ("provider", "text", "NO"),
            ("updated_at", "timestamp without time zone", "YES"),
        ]
        names = {
            row[0]
            for row in session.execute("SELECT indexname FROM pg_indexes WHERE tablename = 'conversation_states'")
        }
        assert {f"idx_conversation_states_{c}" for c in ("created_at", "provider", "updated_at")} < names
        for name in ("fsync", "full_page_writes", "synchronous_commit"):
            assert session.execute(f"SHOW {name}").fetchone() == ("on",)
        assert session.execute("SHOW server_encoding").fetchone() == ("UTF8",)
        assert session.execute("SHOW password_encryption").fetchone() == ("scram-sha-256",)


def test_json_has_the_same_keys_in_every_state(project):
    absent = project("status", "--json").json
    up = project("up", "--json").json
    running = project("status", "--json").json
    project("down", "--keep-data")
    stopped = project("status", "--json").json
    states = [absent, up, running, stopped]
    assert [s["data"]["state"] for s in states] == ["absent", "running", "running", "stopped"]
    assert len({tuple(s["data"]) for s in states}) == 1
    assert {s["data"]["engine"]["name"] for s in states[1:]} == {project.engine}
    assert all(s["data"]["engine"]["why"] for s in states[1:])
    assert len({tuple(s["data"]["engine"]) for s in states}) == 1


def test_status_verify_and_a_dry_run_start_nothing(project):
    assert "would be created" in project("up", "--dry-run").err
    assert list(project.path.iterdir()) == []
    project("up")
    project("down", "--keep-data")
    files = {p.name: p.read_bytes() for p in project.path.iterdir()}
    project("status")
    assert project("verify", "--json", code=7).error == "not-running"
    assert "would be started" in project("up", "--dry-run").err
    assert project.status()["state"] == "stopped"
    assert {p.name: p.read_bytes() for p in project.path.iterdir()} == files


class TestDown:
    def test_alone_keeps_the_data_and_says_how_to_delete_it(self, filled):
        done = filled("down")
        kept_in = {"docker": "volume", "embedded": "data directory"}[filled.engine]
        assert f"The data is kept in the {kept_in}" in done.out
        assert "down --delete-data`" in done.out
        filled("up")
        assert filled.stored() == ["kept"]

    def test_delete_data_names_what_goes_and_needs_yes(self, project):
        project("up")
        project.store("a", "b", "c")
        before = project.server()
        refused = project("down", "--delete-data", "--json", code=2)
        assert refused.error == "not-confirmed"
        assert "3 stored conversation turns" in refused.json["error"]["message"]
        assert project.status()["volume"] in refused.json["error"]["message"]
        assert project.server() == before
        assert project.stored() == ["a", "b", "c"]
        assert "Deleted 3 stored conversation turns" in project("down", "--delete-data", "--yes").out
        assert {p.name for p in project.path.iterdir()} == {".env", "config.yaml"}
        assert project.status()["state"] == "absent"
        project("up")
        assert project.stored() == []

    def test_a_terminal_is_asked_and_no_is_the_default(self, project):
        project("up")
        project.store("a")
        code, screen = on_terminal(project, "down", "--delete-data", answers=[("[y/N]", "\n")])
        assert (code, "nothing was deleted" in screen) == (2, True), screen
        code, screen = on_terminal(project, "down", answers=[("[y/N]", "n\n")])
        assert (code, "The data is kept" in screen) == (0, True), screen
        project("up")
        assert project.stored() == ["a"]
        code, screen = on_terminal(project, "down", "--keep-data")
        assert (code, "[y/N]" in screen) == (0, False)
        code, screen = on_terminal(project, "down", "--delete-data", answers=[("[y/N]", "y\n")])
        assert code == 0, screen
        assert project.status()["state"] == "absent"

    @pytest.mark.slow
    def test_it_works_when_stopped_or_never_up(self, project):
        assert "Nothing to stop" in project("down", "--delete-data", "--yes").out
        project("up")
        project.kill()
        assert "was not running" in project("down", "--keep-data").out
        project("down", "--delete-data", "--yes")
        assert project.status()["state"] == "absent"

    @pytest.mark.slow
    def test_a_bad_line_does_not_keep_a_database_running(self, project):
        project("up")
        (project.path / ".env").write_text((project.path / ".env").read_text() + "DB_PORT=x\n")
        (project.path / "planodev.toml").write_text("nonsense")
        project("down", "--keep-data")
        project("down", "--delete-data", "--yes")
        (project.path / "planodev.toml").unlink()
        (project.path / ".env").unlink()
        assert project.status()["state"] == "absent"


@pytest.mark.each_engine
def test_the_password_appears_nowhere_but_in_env(project):
    done = project("up", "--json")
    password = project.env["DB_PASS"]
    seen = [done.out, done.err, project("status").out, project("verify").out, *project.words()]
    (project.path / ".env").write_text(f"DB_PASS=another-{password}\n")
    seen += [(after := project("up")).out, after.err, *project.words()]
    assert not any(password in text for text in seen)


@pytest.mark.parametrize("password", slow_but([PASSWORDS[2]], PASSWORDS))
def test_a_users_own_password_works_and_no_other(project, password):
    quoted = '"' + password.replace("\\", "\\\\").replace('"', '\\"') + '"'
    (project.path / ".env").write_text(f"OTHER=1\nDB_PASS={quoted}\n", encoding="utf-8")
    project("up")
    assert (project.path / ".env").read_text().startswith("OTHER=1\nDB_PASS=")
    assert re.fullmatch(r"[A-Za-z0-9._%-]+", project.env["DB_PASS"])
    project.login(password=password).close()
    script = "set -a; . ./.env; printf %s postgresql://$DB_USER:$DB_PASS@127.0.0.1:$DB_PORT/$DB_NAME"
    url = subprocess.run(["sh", "-c", script], cwd=project.path, capture_output=True, text=True, check=True).stdout
    psycopg.connect(url, sslmode="disable").close()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        project.login(password="wrong" + password)


class TestFollow:
    def test_a_changed_password_is_followed(self, filled):
        filled.change(".env", "^DB_PASS=.*", "DB_PASS=changed-by-hand")
        assert "to match DB_PASS" in filled("up").err
        assert filled.env["DB_PASS"] == "changed-by-hand"
        assert filled.stored() == ["kept"]

    def test_a_lost_env_file_is_written_again_with_the_same_password(self, filled):
        before = filled.env
        (filled.path / ".env").unlink()
        filled("up")
        assert filled.env == before
        assert filled.stored() == ["kept"]

    @pytest.mark.slow
    def test_another_role_sees_what_is_stored(self, filled):
        filled.change(".env", "^DB_USER=.*", "DB_USER=somebody.else")
        assert "creating role" in filled("up").err
        assert filled.env["DB_USER"] == "somebody.else"
        filled.store("new")
        assert filled.stored() == ["kept", "new"]
        filled("verify")

    def test_another_database_is_made_beside_the_first_and_nothing_is_dropped(self, filled):
        text = (filled.path / ".env").read_text()
        filled.change(".env", "^DB_NAME=.*", "DB_NAME=other-db")
        assert "keeps 1 stored turn" in filled("up").err
        assert (filled.env["DB_NAME"], filled.stored()) == ("other-db", [])
        filled.store("new")
        assert filled.stored() == ["new"]
        (filled.path / ".env").write_text(text)
        filled("up")
        assert filled.stored() == ["kept"]

    def test_a_dropped_table_is_made_again(self, project):
        project("up")
        with project.login() as session:
            session.execute("DROP TABLE conversation_states")
        assert project("verify", "--json", code=7).error == "table-missing"
        assert "conversation_states: created" in project("up").err
        project("verify")


class TestIdentity:
    def test_a_moved_project_finds_its_conversations(self, make_project):
        old = make_project("old", "shop")
        old("up")
        old.store("kept")
        shutil.move(old.path, old.base / "renamed")
        moved = OnEngine(old.base / "renamed", old.base, old.engine, old.api)
        moved("up")
        assert moved.stored() == ["kept"]

    @pytest.mark.slow
    def test_a_copy_and_a_namesake_get_databases_of_their_own(self, make_project):
        first = make_project("a", "shop")
        first("up")
        first.store("first")
        shutil.copytree(first.path, first.base / "b" / "shop")
        copy, third = make_project("b", "shop"), make_project("c", "shop")
        copy("up")
        third("up")
        assert (first.stored(), copy.stored(), third.stored()) == (["first"], [], [])
        assert len({p.status()["volume"] for p in (first, copy, third)}) == 3
        assert len({p.status()["port"] for p in (first, copy, third)}) == 3
        assert first("up").code == 0

    @pytest.mark.slow
    def test_a_new_checkout_at_the_old_place_neither_shares_nor_hides_the_data(self, make_project):
        old = make_project("shop")
        old("up")
        volume = old.status()["volume"]
        old.path.rename(old.base / "away")
        (old.base / "away" / ".env").unlink()
        new = make_project("shop")
        refused = new("up", "--json", code=4)
        assert refused.error == "data-of-another-checkout"
        assert volume in refused.json["error"]["message"]
        assert list(new.path.iterdir()) == []
        new("up", "--name", "plano-postgres-new")
        assert new.stored() == []


class TestPorts:
    @pytest.mark.each_engine
    def test_a_taken_port_moves_to_the_next_free_one_and_stays_there(self, project):
        with listening() as port:
            project.write(".env", f"DB_PORT={port}\n")
            done = project("up", "--json").json
            assert done["data"]["port"] > port
            assert [w["code"] for w in done["warnings"] if "port" in w["code"]] == ["port-moved"]
            assert "python" in done["warnings"][0]["message"]
            refused = project("up", "--port", str(port), "--json", code=4)
            assert (refused.error, "python" in refused.json["error"]["why"]) == ("port-taken", True)
        assert project("up", "--json").json["data"]["port"] == done["data"]["port"] == int(project.env["DB_PORT"])

    def test_a_port_that_is_taken_while_it_was_down_moves_and_keeps_the_data(self, filled):
        filled("down", "--keep-data")
        with listening(int(filled.env["DB_PORT"])) as port:
            assert filled("up", "--json").json["data"]["port"] != port
            assert filled.stored() == ["kept"]

    @pytest.mark.slow
    def test_a_port_can_be_changed_and_the_data_stays(self, filled):
        port = free_port()
        assert "its port changes" in filled("up", "--port", str(port)).err
        assert (filled.status()["port"], filled.env["DB_PORT"], filled.stored()) == (port, str(port), ["kept"])


class TestFaults:
    def test_no_committed_row_is_lost_when_the_server_is_killed_under_load(self, project):
        project("up")
        committed, stop = [], threading.Event()

        def store(worker):
            session = project.login()
            while not stop.is_set():
                key = f"{worker}-{len(committed)}-{time.monotonic_ns()}"
                try:
                    session.execute(
                        "INSERT INTO conversation_states (response_id, input_items, created_at, model, provider)"
                        " VALUES (%s, %s, 1, 'm', 'p')",
                        [key, json.dumps(["x" * 2000])],
                    )
                except psycopg.Error:
                    return
                committed.append(key)

        workers = [threading.Thread(target=store, args=(n,)) for n in range(4)]
        for worker in workers:
            worker.start()
        until(lambda: len(committed) > 20, "rows to lose")
        project.kill()
        stop.set()
        for worker in workers:
            worker.join(20)
        assert len(committed) > 20
        assert project.status()["state"] in ("stopped", "broken")
        project("up")
        assert set(committed) <= set(project.stored())

    def test_an_interrupt_ends_with_130_and_the_next_up_mends_it(self, project):
        for lines in (1, 3, 5):
            running = project.start("up")
            for _ in range(lines):  # its own first signs: Python as it starts answers to no signal
                running.stderr.readline()
            begun = time.monotonic()
            running.send_signal(signal.SIGINT)
            out, err = running.communicate(timeout=60)
            assert "Traceback" not in err
            if running.returncode != 0:
                assert (running.returncode, "interrupted" in err, out) == (130, True, "")
                assert time.monotonic() - begun < 30  # shorter than any wait of `up`, on a machine with much else to do
        project("up")
        assert project.status()["table"] == "ready"

    def test_eight_at_once_end_with_one_server_and_one_password(self, project):
        runs = [project.start("up", "--json") for _ in range(8)]
        ends = [(run.communicate(timeout=120), run.returncode) for run in runs]
        assert [code for _, code in ends] == [0] * 8, [e[0][1] for e in ends]
        found = [json.loads(out)["data"] for (out, _), _ in ends]
        assert len({(data["container"], data["volume"], data["port"]) for data in found}) == 1
        project.login().close()
        assert os.listdir(project.path).count(".env") == 1

    @pytest.mark.each_engine
    def test_a_killed_server_is_started_again_and_status_says_how_it_is(self, filled):
        filled.kill()
        assert filled.status()["state"] in ("stopped", "broken")
        assert filled("verify", "--json", code=7).error in ("not-running", "connection-refused")
        filled("up")
        assert filled.stored() == ["kept"]


class TestHandOver:
    @pytest.mark.each_engine
    def test_env_and_run_hand_over_a_way_that_works(self, project):
        project("up")
        project.store("seen")
        values = json.loads(project("env", "--format", "json", "--plano", "native").out)
        assert values["DB_HOST"] == "127.0.0.1"
        code = (
            "import os, psycopg\n"
            "with psycopg.connect(os.environ['DATABASE_URL']) as s:\n"
            "    print(s.execute('SELECT response_id FROM conversation_states').fetchall())"
        )
        assert "seen" in project("run", "--", sys.executable, "-c", code).out
        assert project("run", "--", "sh", "-c", "exit 9", code=9)

    def test_doctor_finds_nothing_that_planodev_could_mend(self, project):
        project("up")
        checks = {c["name"]: c for c in project("doctor", "--json", code=None).json["data"]["checks"]}
        names = ("engine", "socket", "disk", "port", "container", "volume", "addresses", "login", "table", "proof")
        assert {name: checks[name]["state"] for name in names if checks[name]["state"] == "failed"} == {}, checks
        assert checks["engine"]["message"].startswith(project.engine)


def test_it_listens_on_no_address_of_the_network_around(project):
    project("up")
    port = project.status()["port"]
    assert "127.0.0.1" in project.status()["addresses"]
    done = subprocess.run(["cat", "/proc/net/tcp", "/proc/net/tcp6"], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        local = [line.split()[1] for line in done.stdout.splitlines() if line.split()[3:4] == ["0A"]]
        mine = [address for address in local if address.endswith(f":{port:04X}")]
        assert mine
        assert not any(set(address.split(":")[0]) == {"0"} for address in mine)
