"""Whose Plano runs, and whether it remembers: judged by its connection, whatever was started when."""

from __future__ import annotations

import json
import re
import socket
from types import SimpleNamespace

import pytest

from planodev.engines import port_holders
from planodev.gateway import running
from planodev.plano import config_file
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


@pytest.mark.parametrize(
    ("address", "port", "said", "fix"),
    [
        ("127.0.0.2", 9901, "which Plano opens for Envoy's admin page", "whatever its configuration says"),
        ("127.0.0.1", 9091, "which Plano opens for brightstaff,", "whatever its configuration says"),
        ("127.0.0.1", 10000, "where Plano is to listen", "or add `- {type: prompt, name: prompt_listener, port: "),
    ],
)
def test_a_port_of_plano_s_own_parts_that_something_else_has_is_told(gateway, address, port, said, fix):
    gateway.up()
    assert gateway.plano()["state"] == "not-running"
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind((address, port))
        other.listen()
        seen = gateway.plano()
        assert (seen["state"], f"at port {port}" in seen["why"]) == ("port-taken", True)
        for command, code in ((("run", "--", "planoai", "up"), 4), (("up", "--with-plano"), 4), (("doctor",), 7)):
            refused = gateway(*command, code=code)
            assert f"port {port}, {said}" in refused.out + refused.err
            assert fix in refused.out + refused.err
        if port == 10000:
            (entry,) = re.findall(r"add `(- .*)` under", gateway("up").err)
            gateway.change("config.yaml", "listeners:\n", f"listeners:\n  {entry}\n")
            assert gateway.plano()["state"] == "not-running"
    assert not (gateway.machine.home / ".plano/run/plano.pid").exists()


def test_without_the_port_of_its_metrics_plano_starts(gateway):
    gateway.up()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 9092))
        other.listen()
        assert gateway.plano()["state"] == "not-running"


def test_of_a_plano_in_docker_the_published_ports_are_looked_at(tmp_path, monkeypatch):
    (tmp_path / "config.yaml").write_text("version: v0.4.0\nlisteners: []\n")
    engine = SimpleNamespace(info=SimpleNamespace(local=True))
    observed = SimpleNamespace(published={})
    seen = SimpleNamespace(
        mode="docker", engine=engine, observed=observed, config=config_file.load(tmp_path / "config.yaml")
    )
    held = {9901, 9091, 10000, 11000}
    monkeypatch.setattr(port_holders, "holder", lambda port, addresses: "`x`" if port in held else None)
    assert running.taken(seen) is None
    for port, said in ((12000, "is to listen"), (12001, "its model gateway"), (19901, "Envoy's admin page")):
        held |= {port}
        assert said in running.taken(seen).message
        held -= {port}


def test_ports_that_a_plano_itself_has_are_no_problem(gateway, make_gateway):
    other = make_gateway("other")
    gateway.up()
    other.up()
    gateway.start_plano()
    with socket.socket() as own:
        own.bind(("0.0.0.0", 9901))
        own.listen()
        assert gateway.plano()["state"] == "connected"
        assert "[plano-port-taken]" not in gateway("up", "--with-plano").err
        assert other.plano()["state"] == "other-project"
        assert "plano-port-taken" not in codes(other("up", "--json"))
