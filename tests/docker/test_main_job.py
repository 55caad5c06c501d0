"""The day of a new developer: up, status, down, up; what is written, what is kept, what is said."""

from __future__ import annotations

import os
import re
import stat
import subprocess

import psycopg
import pytest

from .conftest import on_terminal


def test_a_day_from_an_empty_directory_loses_no_conversation(project):
    first = project("up")
    assert "it is proved that Plano can store" in first.out
    assert stat.S_IMODE((project.path / ".env").stat().st_mode) == 0o600
    assert re.fullmatch(r"[A-Za-z0-9_-]{32}", project.env["DB_PASS"])
    assert project.env["DB_HOST"] == "host.docker.internal"
    assert (project.path / "config.yaml").exists()
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
    before = project.container()
    again = project("up")
    assert {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in project.path.iterdir()} == files
    after = project.container()
    assert (after["Id"], after["State"]["StartedAt"]) == (before["Id"], before["State"]["StartedAt"])
    steps = [line for line in again.err.splitlines() if line.startswith("✓")]
    assert len(steps) == 9
    assert all("unchanged" in line or "proved" in line for line in steps), again.err


def test_up_makes_the_table_with_the_index_that_pruning_wants(project):
    project("up")
    with project.login() as session:
        columns = session.execute(
            "SELECT column_name, data_type, is_nullable FROM information_schema.columns "
            "WHERE table_name = 'conversation_states' ORDER BY ordinal_position"
        ).fetchall()
        indexes = {
            row[0]
            for row in session.execute("SELECT indexname FROM pg_indexes WHERE tablename = 'conversation_states'")
        }
        assert session.execute("SHOW fsync").fetchone() == ("on",)
    assert columns == [
        ("response_id", "text", "NO"),
        ("input_items", "jsonb", "NO"),
        ("created_at", "bigint", "NO"),
        ("model", "text", "NO"),
        ("provider", "text", "NO"),
        ("updated_at", "timestamp without time zone", "YES"),
    ]
    assert {f"idx_conversation_states_{c}" for c in ("created_at", "provider", "updated_at")} < indexes


def test_json_is_one_object_with_the_same_keys_in_every_state(project):
    absent = project("status", "--json").json
    up = project("up", "--json")
    running = project("status", "--json").json
    project("down", "--keep-data")
    stopped = project("status", "--json").json
    gone = project("status", "--json", DOCKER_HOST="unix:///nowhere/docker.sock").json
    states = [absent, running, stopped, gone, up.json]
    assert [s["data"]["state"] for s in states] == ["absent", "running", "stopped", "broken", "running"]
    assert len({tuple(s["data"]) for s in states}) == 1
    assert all(list(s) == ["schema_version", "command", "ok", "data", "warnings", "error"] for s in states)
    assert gone["ok"] is True
    assert gone["warnings"][0]["code"] == "no-socket"
    failed = project("up", "--port", "70000", "--json", code=2)
    assert failed.json["ok"] is False
    assert failed.json["error"] == {
        "code": "bad-port",
        "message": "`70000` cannot be used for the port",
        "why": "a port is a whole number from 1 to 65535 (from --port)",
        "fix": f"`planodev -C {project.path} up --help` says what `--port` takes",
    }


def test_status_never_starts_anything(project, snapshot):
    project("up")
    project("down", "--keep-data")
    before = snapshot()
    project("status")
    assert snapshot() == before


class TestDown:
    def test_alone_keeps_the_data_and_says_how_to_delete_it(self, project):
        project("up")
        project.store("kept")
        done = project("down")
        assert "The data is kept in the volume" in done.out
        assert "down --delete-data`" in done.out
        project("up")
        assert project.stored() == ["kept"]

    def test_delete_data_without_a_terminal_needs_yes_and_changes_nothing(self, project, snapshot):
        project("up")
        project.store("a", "b", "c")
        before = snapshot()
        refused = project("down", "--delete-data", "--json", code=2)
        assert refused.error == "not-confirmed"
        assert "3 stored conversation turns" in refused.json["error"]["message"]
        assert project.status()["volume"] in refused.json["error"]["message"]
        assert snapshot() == before
        assert project.stored() == ["a", "b", "c"]

    def test_delete_data_with_yes_removes_container_and_volume_and_no_file(self, project, api):
        project("up")
        project.store("a")
        names = project.status()
        done = project("down", "--delete-data", "--yes")
        assert "Deleted 1 stored conversation turn" in done.out
        assert names["volume"] not in {v["Name"] for v in api.volumes()["Volumes"] or []}
        assert f"/{names['container']}" not in {n for c in api.containers(all=True) for n in c["Names"]}
        assert {p.name for p in project.path.iterdir()} == {".env", "config.yaml"}
        assert project.status()["state"] == "absent"

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

    def test_it_works_when_stopped_gone_or_never_up(self, project, api):
        assert "Nothing to stop" in project("down", "--delete-data", "--yes").out
        project("up")
        api.stop(project.status()["container"])
        assert "was not running" in project("down", "--keep-data").out
        api.remove_container(project.status()["container"], force=True)
        assert "was not running" in project("down", "--keep-data").out
        project("down", "--delete-data", "--yes")
        assert project.status()["state"] == "absent"


def test_commands_that_are_named_act_on_the_project_that_was_named(project):
    aimed = f"`planodev -C {project.path} "
    assert aimed in project("verify", "--json", code=7).json["error"]["fix"]
    project("up")
    assert aimed in project("down", "--delete-data", "--json", code=2).json["error"]["fix"]
    assert aimed in project("down").out
    assert f"Next: planodev -C {project.path} run -- planoai up --docker\n" in project("up").out


def test_a_bad_line_does_not_keep_a_database_running(project):
    project("up")
    (project.path / ".env").write_text((project.path / ".env").read_text() + "DB_PORT=x\n")
    (project.path / "planodev.toml").write_text("nonsense")
    project("down", "--keep-data")
    project("down", "--delete-data", "--yes")
    (project.path / "planodev.toml").unlink()
    (project.path / ".env").unlink()
    assert project.status()["state"] == "absent"


def test_dry_run_changes_neither_engine_nor_files(project, snapshot):
    before = snapshot()
    said = project("up", "--dry-run")
    assert "would be created" in said.err
    assert (snapshot(), list(project.path.iterdir())) == (before, [])
    project("up")
    before, files = snapshot(), {p.name: p.read_bytes() for p in project.path.iterdir()}
    assert "would be replaced" in project("up", "--dry-run", "--plano", "native").err
    assert snapshot() == before
    assert {p.name: p.read_bytes() for p in project.path.iterdir()} == files


def test_nothing_but_our_container_and_volume_is_left_behind(project, api):
    import time

    def witnesses():
        return {c["Id"] for c in api.containers(all=True, filters={"label": "dev.planodev.witness"})} - others

    others = set()
    others = witnesses()
    volumes = {v["Name"] for v in api.volumes()["Volumes"] or []}
    project("up", "--port", "70000", code=2)
    project("up")
    project("verify")
    project.write("config.yaml", "version: v0.4.0\n")
    project("up", "--plano", "native", code=7)
    project("up", "--plano", "docker", code=7)
    end = time.monotonic() + 10
    while witnesses() and time.monotonic() < end:
        time.sleep(0.1)
    assert witnesses() == set()
    new = [v for v in api.volumes()["Volumes"] or [] if v["Name"] not in volumes]
    mine = [v for v in new if (v["Labels"] or {}).get("dev.planodev.path", str(project.path)) == str(project.path)]
    assert [v["Name"] for v in mine] == [project.status()["volume"]]


def test_the_password_appears_nowhere_but_in_env(project, api):
    done = project("up", "--json")
    password = project.env["DB_PASS"]
    name = project.status()["container"]
    seen = [done.out, done.err, project("status").out, project("verify").out, str(api.inspect_container(name))]
    seen += [api.logs(name).decode(), str(api.top(name)), str(project.status())]
    (project.path / ".env").write_text(f"DB_PASS=another-{password}\n")
    seen += [(after := project("up")).out, after.err, api.logs(name).decode()]
    assert not any(password in text for text in seen)


def test_quiet_says_only_the_result_and_no_color_is_obeyed(project):
    quiet = project("-q", "up")
    assert quiet.out
    assert "✓" not in quiet.err
    _, screen = on_terminal(project, "up", "--yes", keys={"NO_COLOR": "1"})
    assert "\033[3" not in screen


@pytest.mark.parametrize("reader", ["head -n 1", "true", "exec 0<&-"])
def test_a_reader_that_goes_away_is_no_error(project, reader):
    project("up")
    line = f"{' '.join(project.command('status'))} | {reader}"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line], env=project.environment, capture_output=True, text=True, check=False
    )
    assert (done.stderr, done.returncode in (0, 141)) == ("", True)


def test_settings_come_from_variables_and_the_file_and_stick(project):
    project.write("planodev.toml", 'name = "from-the-file"\nplano = "native"\n')
    data = project("up", "--json", PLANODEV_NAME="from-a-variable").json["data"]
    assert data["container"] == "from-a-variable"
    assert data["settings"]["name"] == {"value": "from-a-variable", "source": "PLANODEV_NAME"}
    assert data["settings"]["plano"] == {"value": "native", "source": "planodev.toml"}
    (project.path / "planodev.toml").unlink()
    after = project("up", "--json").json["data"]
    assert (after["container"], after["plano"]) == ("from-a-variable", "native")
    assert after["settings"]["plano"]["source"] == ".env"


def test_native_mode_publishes_on_loopback_only_and_switching_keeps_the_data(project):
    project("up", "--plano", "native")
    assert project.env["DB_HOST"] == "127.0.0.1"
    assert project.status()["addresses"] == ["127.0.0.1"]
    project.store("kept")
    project("up", "--plano", "docker")
    assert project.env["DB_HOST"] == "host.docker.internal"
    assert project.stored() == ["kept"]
    project("up", "--plano", "native")
    project("verify")
    assert (project.status()["addresses"], project.stored()) == (["127.0.0.1"], ["kept"])


@pytest.mark.parametrize("password", ["p@ss:w/o?r#d", "100%", """a 'b' "c" $d `e` \\f""", "ümläut€", "~tilde", "x=y&z"])
def test_a_users_own_password_works_end_to_end(project, password):
    import shlex

    quoted = '"' + password.replace("\\", "\\\\").replace('"', '\\"') + '"'
    project.write(".env", f"OTHER=1\nDB_PASS={quoted}\n")
    project("up", "--name", "plano-own-password")
    assert (project.path / ".env").read_text().startswith("OTHER=1\nDB_PASS=")
    assert re.fullmatch(r"[A-Za-z0-9._%-]+", project.env["DB_PASS"])
    project.login(password=password).close()
    script = "set -a; . ./.env; printf %s postgresql://$DB_USER:$DB_PASS@127.0.0.1:$DB_PORT/$DB_NAME"
    url = subprocess.run(["sh", "-c", script], cwd=project.path, capture_output=True, text=True, check=True).stdout
    psycopg.connect(url, sslmode="disable").close()
    with pytest.raises(psycopg.OperationalError):
        project.login(password="wrong" + shlex.quote(password))


def test_an_interrupt_ends_with_130_and_the_next_up_mends_it(project):
    import signal
    import time

    for pause in (0.15, 0.5, 1.0):
        running = project.start("up")
        time.sleep(pause)
        begun = time.monotonic()
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=20)
        took = time.monotonic() - begun
        assert "Traceback" not in err
        if running.returncode != 0:
            assert (running.returncode, "interrupted" in err, out) == (130, True, "")
            assert took < 1.5
    project("up")
    assert project.status()["table"] == "ready"


def test_eight_at_once_end_with_one_container_and_one_password(project, api):
    runs = [project.start("up", "--json") for _ in range(8)]
    ends = [(run.communicate(timeout=120), run.returncode) for run in runs]
    assert [code for _, code in ends] == [0] * 8, [e[0][1] for e in ends]
    assert len({run[0].count('"container"') for run, _ in ends}) == 1
    mine = [
        c
        for c in api.containers(all=True, filters={"label": "dev.planodev.path"})
        if c["Labels"]["dev.planodev.path"] == str(project.path)
    ]
    assert len(mine) == 1
    project.login().close()
    assert os.listdir(project.path).count(".env") == 1
