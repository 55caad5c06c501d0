"""Whose Plano runs, and whether it remembers: judged by its connection, whatever was started when."""

from __future__ import annotations

import json
import re

import pytest

from tests.support.ports import free_port

pytestmark = pytest.mark.embedded


def codes(done):
    return [warning["code"] for warning in done.json["warnings"]]


def test_a_plano_is_connected_until_its_database_is_restarted(gateway):
    gateway.up()
    assert gateway.plano()["state"] == "not-running"
    gateway.start_plano()
    seen = gateway.plano()
    assert (seen["state"], seen["mode"], seen["directory"]) == ("connected", "native", str(gateway.path))
    assert "connected (process " in gateway("status").out
    assert gateway("up", "--json").json["warnings"] == []

    told = gateway("down", "--keep-data", "--json").json
    assert told["data"]["running_plano"]["state"] == "connected"
    assert [(one["code"], "down --with-plano`" in one["fix"]) for one in told["warnings"]] == [
        ("plano-loses-memory", True)
    ]
    up = gateway("up", "--json")
    assert codes(up) == ["plano-without-memory"]
    assert "up --with-plano`" in up.json["warnings"][0]["fix"]
    check = next(one for one in gateway("doctor", "--json", code=7).json["data"]["checks"] if one["name"] == "plano")
    assert (check["state"], "never reconnects" in check["why"]) == ("failed", True)
    gateway.start_plano()  # which ends the one without memory
    assert gateway.plano()["state"] == "connected"
    assert gateway("doctor", "--json", code=None).json["data"]["checks"][-1]["state"] == "ok"


@pytest.mark.slow
def test_the_plano_of_another_project_is_healthy_whatever_is_started_after_it(make_gateway):
    first, second = make_gateway("first"), make_gateway("second")
    first.up()
    first.start_plano()
    second.up()
    assert [one.plano()["state"] for one in (first, second)] == ["connected", "other-project"]
    up = second("up", "--json")
    assert codes(up) == ["plano-of-another-project"]
    assert str(first.path) in up.json["warnings"][0]["message"]
    second("down", "--keep-data")
    second("up")
    assert (first.plano()["state"], first("up", "--json").json["warnings"]) == ("connected", [])
    assert "plano-loses-memory" not in codes(second("down", "--keep-data", "--json"))
    first("down", "--keep-data")
    assert first("up", "--json").json["warnings"][0]["code"] == "plano-without-memory"


@pytest.mark.slow
def test_two_projects_with_a_plano_each_have_one_connection_each(make_gateway, make_machine):
    gateways = [make_gateway("first"), make_gateway("second", make_machine("other"))]
    for gateway in gateways:
        gateway.up()
        gateway.start_plano()
    assert [gateway.plano()["state"] for gateway in gateways] == ["connected"] * 2
    gateways[0]("down", "--keep-data")
    gateways[0]("up")
    assert [gateway.plano()["state"] for gateway in gateways] == ["without-memory", "connected"]


@pytest.mark.slow
def test_a_plano_started_by_hand_got_the_variables_as_they_stand(gateway):
    gateway.up()
    done = gateway.machine.planoai(gateway, "up")
    assert gateway.plano()["state"] == "without-variables", done.stdout
    warning = gateway("up", "--json").json["warnings"][0]
    assert (warning["code"], "planodev run" in warning["message"]) == ("plano-without-variables", True)
    gateway.follow(warning["fix"].partition("; ")[0])
    assert gateway.plano()["state"] == "connected"
    gateway.follow(warning["fix"].partition("; ")[2])
    assert gateway.plano()["state"] == "not-running"


@pytest.mark.slow
def test_a_plano_that_died_is_told_with_the_cause_of_its_own_log_and_without_secrets(gateway):
    gateway.up()
    gateway.start_plano()
    gateway.machine.kill("brightstaff")
    assert gateway.plano()["why"] == "brightstaff has ended, and its log does not say why"
    secret = gateway.env["DB_PASS"]
    log = gateway.machine.home / ".plano/run/logs/brightstaff.log"
    log.write_text(f"thread 'main' panicked at src/main.rs:7:\nno postgresql://plano:{secret}@127.0.0.1 \x1b[31m\n")
    seen = gateway.plano()
    assert (seen["state"], "panicked at src/main.rs:7: no postgresql" in seen["why"]) == ("died", True)
    check = gateway("doctor", "--json", code=7).json["data"]["checks"][-1]
    assert (check["state"], secret in json.dumps(check), "\x1b" in check["why"]) == ("failed", False, False)
    gateway.machine.kill("envoy")
    assert gateway.plano()["state"] == "died"
    gateway.machine.planoai(gateway, "down")
    assert gateway.plano()["state"] == "not-running"


def test_a_port_that_something_else_has_is_told_before_a_plano_is_started(gateway):
    import socket

    gateway.up()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", gateway.listener))
        other.listen()
        assert gateway.plano()["state"] == "port-taken"
        refused = gateway("run", "--", "planoai", "up", code=4)
        assert "[plano-port-taken]" in refused.err
        assert f"port {gateway.listener}" in refused.err
        word, line = re.search(
            "stop that program, or write another `(.*:)` for the listener in line (.*) of", refused.err
        ).groups()
        assert f"{word} {gateway.listener}" in (gateway.path / "config.yaml").read_text().splitlines()[int(line) - 1]
        gateway.change("config.yaml", f"{word} {gateway.listener}", f"{word} {free_port()}")
        assert gateway.plano()["state"] == "not-running"
        gateway.write("config.yaml", gateway.configuration())
    assert gateway.plano()["state"] == "not-running"
    assert not (gateway.machine.home / ".plano/run/plano.pid").exists()


def test_a_file_of_planoai_that_says_nothing_is_no_plano(gateway):
    gateway.up()
    file = gateway.machine.home / ".plano/run/plano.pid"
    file.parent.mkdir(parents=True, exist_ok=True)
    for text in (
        "",
        "{}",
        "no json",
        '{"brightstaff_pid": "x"}',
        "[]",
        '{"brightstaff_pid": 1, "envoy_pid": 99999999}',
    ):
        file.write_text(text)
        assert gateway.plano()["state"] == "not-running", text
