"""Whose Plano runs, and whether it remembers: judged by its connection, whatever was started when."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.embedded


def codes(done):
    return [warning["code"] for warning in done.json["warnings"]]


def test_a_plano_is_connected_until_its_database_is_restarted(shop):
    shop.up()
    assert shop.plano()["state"] == "not-running"
    shop.start_plano()
    seen = shop.plano()
    assert (seen["state"], seen["mode"], seen["directory"]) == ("connected", "native", str(shop.path))
    assert "connected (process " in shop("status").out
    assert shop("up", "--json").json["warnings"] == []

    told = shop("down", "--keep-data", "--json").json
    assert told["data"]["running_plano"]["state"] == "connected"
    assert [(one["code"], "down --with-plano`" in one["fix"]) for one in told["warnings"]] == [
        ("plano-loses-memory", True)
    ]
    up = shop("up", "--json")
    assert codes(up) == ["plano-without-memory"]
    assert "up --with-plano`" in up.json["warnings"][0]["fix"]
    check = next(one for one in shop("doctor", "--json", code=7).json["data"]["checks"] if one["name"] == "plano")
    assert (check["state"], "never reconnects" in check["why"]) == ("failed", True)
    shop.start_plano()  # which ends the one without memory
    assert shop.plano()["state"] == "connected"
    assert shop("doctor", "--json", code=None).json["data"]["checks"][-1]["state"] == "ok"


@pytest.mark.slow
def test_the_plano_of_another_project_is_healthy_whatever_is_started_after_it(make_shop):
    first, second = make_shop("first"), make_shop("second")
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
def test_two_projects_with_a_plano_each_have_one_connection_each(make_shop, make_machine):
    shops = [make_shop("first"), make_shop("second", make_machine("other"))]
    for shop in shops:
        shop.up()
        shop.start_plano()
    assert [shop.plano()["state"] for shop in shops] == ["connected"] * 2
    shops[0]("down", "--keep-data")
    shops[0]("up")
    assert [shop.plano()["state"] for shop in shops] == ["without-memory", "connected"]


def test_a_plano_started_by_hand_got_the_variables_as_they_stand(shop):
    shop.up()
    done = shop.machine.planoai(shop, "up")
    assert shop.plano()["state"] == "without-variables", done.stdout
    warning = shop("up", "--json").json["warnings"][0]
    assert (warning["code"], "planodev run" in warning["message"]) == ("plano-without-variables", True)
    shop.start_plano()
    assert shop.plano()["state"] == "connected"


@pytest.mark.slow
def test_a_plano_that_died_is_told_with_the_cause_of_its_own_log_and_without_secrets(shop):
    shop.up()
    shop.start_plano()
    shop.machine.kill("brightstaff")
    assert shop.plano()["why"] == "brightstaff has ended, and its log does not say why"
    secret = shop.env["DB_PASS"]
    log = shop.machine.home / ".plano/run/logs/brightstaff.log"
    log.write_text(f"thread 'main' panicked at src/main.rs:7:\nno postgresql://plano:{secret}@127.0.0.1 \x1b[31m\n")
    seen = shop.plano()
    assert (seen["state"], "panicked at src/main.rs:7: no postgresql" in seen["why"]) == ("died", True)
    check = shop("doctor", "--json", code=7).json["data"]["checks"][-1]
    assert (check["state"], secret in json.dumps(check), "\x1b" in check["why"]) == ("failed", False, False)
    shop.machine.kill("envoy")
    assert shop.plano()["state"] == "died"
    shop.machine.planoai(shop, "down")
    assert shop.plano()["state"] == "not-running"


def test_a_port_that_something_else_has_is_told_before_a_plano_is_started(shop):
    import socket

    shop.up()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", shop.listener))
        other.listen()
        assert shop.plano()["state"] == "port-taken"
        refused = shop("run", "--", "planoai", "up", code=4)
        assert "[plano-port-taken]" in refused.err
        assert f"port {shop.listener}" in refused.err
    assert not (shop.machine.home / ".plano/run/plano.pid").exists()


def test_a_file_of_planoai_that_says_nothing_is_no_plano(shop):
    shop.up()
    file = shop.machine.home / ".plano/run/plano.pid"
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
        assert shop.plano()["state"] == "not-running", text
