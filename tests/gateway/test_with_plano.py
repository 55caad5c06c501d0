"""`up --with-plano` and `down --with-plano`: Plano by the real planoai, and the truth about it."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.stand_in import envoy
from tests.support.waiting import until

pytestmark = pytest.mark.embedded


def plano_of(done):
    return done.json["data"]["running_plano"]["state"]


def fix_of(done):
    return re.search(r"(?m)^  fix: (.*)$", done.err)[1]


def test_three_commands_lead_from_nothing_to_a_conversation(gateway):
    up = gateway.up("--with-plano")
    assert "plano: started, at http://localhost:" in up.err
    assert "planoai: ✓ Plano is running!" in up.err
    assert "previous_response_id" in up.out
    assert up.out.splitlines()[-1].startswith("Next: `")
    curl = [line for line in up.out.splitlines() if line.startswith(("Plano answers", "  curl", "    -d"))]
    assert (len(curl), [line for line in curl if len(line) > 100]) == (5, [])
    assert "ask" in up.out.splitlines()[-1]
    assert "turn 1" in gateway("ask", "My order 1234 has not arrived.").err
    assert "My order 1234" in gateway("conversations").out

    pids = gateway.machine.pids
    again = gateway("up", "--with-plano")
    assert "plano: unchanged" in again.err
    assert gateway.machine.pids == pids

    down = gateway("down", "--with-plano", "--keep-data", "--json").json
    assert (down["data"]["plano_stopped"], down["data"]["stopped"], down["warnings"]) == (True, True, [])
    assert gateway.plano()["state"] == "not-running"
    assert not gateway("down", "--with-plano", "--keep-data", "--json").json["data"]["plano_stopped"]


@pytest.mark.slow
def test_one_without_memory_or_with_an_older_configuration_is_asked_about_and_restarted(gateway):
    gateway.up()
    gateway("up", "--with-plano")
    gateway("down", "--keep-data")
    refused = gateway("up", "--with-plano", code=2)
    assert "[not-confirmed]" in refused.err
    assert "lost its connection" in refused.err
    assert gateway.plano()["state"] == "without-memory"
    (warning,) = gateway("up", "--json").json["warnings"]
    assert warning["code"] == "plano-without-memory"
    gateway.follow(warning["fix"].partition("; ")[0])
    assert gateway.plano()["state"] == "connected"

    gateway.change("config.yaml", "^version", "# a change\nversion")
    assert "older configuration" in gateway("up", "--with-plano", code=2).err
    assert "restarted, since it runs an older configuration" in gateway("up", "--with-plano", "--yes").err
    assert "plano: unchanged" in gateway("up", "--with-plano").err


@pytest.mark.slow
def test_one_that_was_started_by_hand_or_has_died_is_started_again(gateway):
    gateway.up()
    gateway.machine.planoai(gateway, "up")
    assert plano_of(gateway("up", "--with-plano", "--yes", "--json")) == "connected"
    gateway.machine.kill("brightstaff")
    told = gateway("ask", "Hello", code=6)
    assert "[plano-died]" in told.err
    gateway.follow(fix_of(told))
    assert gateway.plano()["state"] == "connected"
    gateway.machine.kill("brightstaff")
    assert plano_of(gateway("up", "--with-plano", "--json")) == "connected"  # there is nothing left to ask for


@pytest.mark.slow
def test_the_plano_of_another_project_is_never_touched(make_gateway):
    first, second = make_gateway("first"), make_gateway("second")
    first.up()
    first("up", "--with-plano")
    pids = first.machine.pids
    second.write("config.yaml", second.configuration())
    refused = second("up", "--with-plano", "--yes", code=4)
    assert f"belongs to `{first.path}`" in refused.err
    assert "`planoai down`" in refused.err
    assert not (second.path / ".env").exists()  # nothing was begun
    second.up()
    down = second("down", "--with-plano", "--keep-data", "--json").json
    assert (down["data"]["plano_stopped"], down["warnings"][0]["code"]) == (False, "plano-of-another-project")
    assert (first.machine.pids, first.plano()["state"]) == (pids, "connected")
    first.follow(down["warnings"][0]["fix"])
    second("up", "--with-plano")


def test_a_plano_that_dies_is_reported_with_the_cause_of_its_own_log(gateway):
    program = gateway.machine.home / ".plano/bin/brightstaff"
    text = program.read_text()
    gateway.up()
    secret = gateway.env["DB_PASS"]
    end = f'import sys; sys.exit("Error: cannot use postgresql://plano:{secret}@127.0.0.1:5432/plano")'
    program.write_text(f"{text.splitlines()[0]}\n{end}\n")
    died = gateway("up", "--with-plano", code=6)
    assert "[plano-died]" in died.err
    assert "why: Error: cannot use postgresql://***@" in died.err
    assert secret not in died.err
    program.write_text(text)
    assert plano_of(gateway("up", "--with-plano", "--json")) == "connected"


@pytest.mark.parametrize("said", [envoy.CANNOT_BIND.format("0.0.0.0:12001", "Address already in use"), "no luck"])
def test_an_envoy_that_dies_is_named_and_not_what_brightstaff_said_until_planoai_ended_it(gateway, said):
    program = gateway.machine.home / ".plano/bin/envoy"
    program.write_text(f"#!{sys.executable}\nimport sys\nsys.exit({said!r})\n")
    refused = gateway.up("--with-plano", code=6).err
    assert "[plano-died]" in refused
    why = re.search(r"(?m)^  why: (.*)$", refused)[1]
    assert why == said.splitlines()[-1]
    says = "stop what else listens on port 12001" if "bind" in said else "look into `~/.plano/run/logs/envoy.log`"
    assert says in fix_of(gateway("up", "--with-plano", code=6))


@pytest.mark.slow
def test_a_plano_that_is_not_ready_in_time_is_reported(gateway):
    gateway.up()
    program = gateway.machine.home / ".plano/bin/brightstaff"
    first, rest = program.read_text().split("\n", 1)
    program.write_text(f"{first}\nimport time; time.sleep(10)\n{rest}")
    late = gateway("up", "--with-plano", "--plano-timeout", "8", code=6)
    assert "[plano-not-ready]" in late.err
    assert "up --with-plano --plano-timeout 16` waits longer" in late.err
    gateway.follow(fix_of(late))
    assert gateway.plano()["state"] == "connected"
    assert "[usage]" in gateway("up", "--with-plano", "--plano-timeout", "soon", code=2).err


@pytest.mark.slow
def test_one_that_planoai_does_not_stop_is_ended_by_the_fix(gateway):
    gateway.up()
    gateway("up", "--with-plano")
    planoai = Path(gateway.machine.environment["PATH"].partition(os.pathsep)[0]) / "planoai"
    planoai.write_text("#!/bin/sh\nexit 1\n")
    refused = gateway("down", "--keep-data", "--with-plano", code=6).err
    assert "[plano-not-stopped]" in refused
    subprocess.run(re.search("fix: `([^`]*)`", refused)[1], shell=True, check=True)
    until(lambda: gateway.plano()["state"] in ("died", "not-running"), "the end of Plano")
    gateway("down", "--keep-data", "--with-plano")


def test_a_port_that_something_else_has_is_told_before_anything_is_begun(gateway):
    with socket.socket() as other:
        other.bind(("127.0.0.1", gateway.listener))
        other.listen()
        gateway.write("config.yaml", gateway.configuration())
        refused = gateway("up", "--with-plano", code=4)
    assert "[plano-port-taken]" in refused.err
    assert not (gateway.path / ".env").exists()


def test_without_planoai_one_line_installs_it(gateway):
    path = ":".join(one for one in gateway.environment["PATH"].split(":") if "programs" not in one)
    refused = gateway("up", "--with-plano", code=6, PATH=path)
    assert "[planoai-missing]" in refused.err
    assert re.search("fix: `.*(pip|pipx|uv tool) install planoai`", refused.err)
    assert not (gateway.path / ".env").exists()


def test_the_whole_promise_is_tried_through_plano_and_nothing_is_left(gateway):
    gateway.up()
    idle = gateway("verify", "--through-plano", code=7)
    assert "[plano-not-running]" in idle.err
    gateway.follow(fix_of(idle))
    gateway("ask", "My name is Ann.")
    kept = gateway.stored()
    done = gateway("verify", "--through-plano")
    assert "sending two short requests through Plano to ollama/llama3.1" in done.err
    seen = gateway("verify", "--through-plano", "--json").json["data"]["through_plano"]
    assert (seen["model"], len(seen["response_ids"]), seen["removed"]) == ("ollama/llama3.1", 2, True)
    assert gateway.stored() == kept
    assert gateway("verify", "--json").json["data"]["through_plano"] is None


@pytest.mark.slow
def test_a_model_that_is_not_stored_fails_the_whole_promise(gateway):
    gateway.up(models=("ollama/llama3.1", "openai/gpt-4o"), OPENAI_API_KEY="sk-of-openai")
    gateway("up", "--with-plano", "--save-keys", OPENAI_API_KEY="sk-of-openai")
    gateway("verify", "--through-plano")
    failed = gateway("verify", "--through-plano", "--model", "openai/gpt-4o", code=7)
    assert "[turn-not-stored]" in failed.err
    assert "openai keeps the history itself" in failed.err
    assert gateway.stored() == []


@pytest.mark.slow
def test_what_down_offers_beside_a_running_plano_starts_or_stops_both(gateway):
    gateway.up("--with-plano")

    def offered():
        warnings = gateway("down", "--keep-data", "--json").json["warnings"]
        (warning,) = (one for one in warnings if one["code"] == "plano-loses-memory")
        return [words.split() for words in re.findall(f"`planodev -C {gateway.path} ([^`]*)`", warning["fix"])]

    starts, _ = offered()
    gateway(*starts, "--yes")
    said = gateway("down", "--keep-data").err
    assert said.index("[plano-loses-memory]") < said.index("✓ embedded-postgres: stopped")  # it is said before
    gateway(*starts, "--yes")
    assert "stored as" in gateway("ask", "Hello").err
    _, stops = offered()
    assert gateway(*stops, "--json").json["warnings"] == []
    assert gateway.plano()["state"] == "not-running"


@pytest.mark.slow
def test_where_the_role_may_not_delete_the_two_turns_are_named(gateway):
    gateway.up("--with-plano")
    with gateway.login() as session:
        session.execute(
            "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'not for you' USING ERRCODE = '42501'; END $$"
        )
        session.execute("CREATE TRIGGER no BEFORE DELETE ON conversation_states EXECUTE FUNCTION no()")
    seen = gateway("verify", "--through-plano", "--json").json
    (warning,) = (one for one in seen["warnings"] if one["code"] == "verification-kept")
    assert seen["data"]["through_plano"]["removed"] is False
    assert sorted(seen["data"]["through_plano"]["response_ids"]) == gateway.stored()
    assert all(number in warning["message"] for number in gateway.stored())
    with gateway.login() as session:  # as the table's owner, whom the fix names
        session.execute("DROP TRIGGER no ON conversation_states")
    (prune,) = re.findall(f"`planodev -C {gateway.path} ([^`]*)`", warning["fix"])
    gateway(*prune.split(), "--yes")
    assert gateway.stored() == []


def test_a_plano_that_was_not_started_is_reported_with_the_cause_and_not_with_the_advice_behind_it(gateway):
    gateway.up()
    planoai = gateway.machine.home.parent / "programs/planoai"
    before = planoai.read_text()
    planoai.write_text(
        '#!/bin/sh\n[ "$COLUMNS" -ge 300 ] && printf "no such thing\\n\\nPlease run that again\\n"\nexit 1\n'
    )
    refused = gateway("up", "--with-plano", code=6)
    assert "[plano-not-started]" in refused.err
    assert "why: planoai ended with exit code 1: no such thing" in refused.err
    assert "planoai up --verbose` shows what it does" in refused.err
    planoai.write_text(before)
    gateway.follow(fix_of(refused).partition(" shows")[0])
    gateway("up", "--with-plano", "--yes")


@pytest.mark.slow
def test_programs_that_planoai_cannot_download_are_told_with_the_host_and_what_mends_it(gateway):
    gateway.up()
    kept = gateway.machine.home / ".plano/bin"
    kept.rename(kept.with_name("kept"))
    planoai = gateway.machine.home.parent / "programs/planoai"
    before = planoai.read_text()
    planoai.write_text(before.replace("exec ", "exec unshare --net "))  # a machine without a network
    refused = gateway("up", "--with-plano", code=6, HTTPS_PROXY="", https_proxy="").err
    assert "[plano-not-downloaded]" in refused
    assert re.search(r"why: github\.com: .*(resolution|not known|unreachable)", refused)
    assert "could not download Envoy" in refused
    fix = re.search(r"(?m)^  fix: (.*)$", refused)[1]
    assert "doctor" not in fix
    proxied = gateway("up", "--with-plano", code=6, https_proxy="http://me:hunter2@127.0.0.1:9").err
    assert "through the proxy http://***@127.0.0.1:9" in proxied
    assert "hunter2" not in proxied
    planoai.write_text(before)  # the network is there, and the programs
    kept.with_name("kept").rename(kept)
    gateway.follow(fix.rpartition("; then ")[2])
    assert gateway.plano()["state"] == "connected"


@pytest.mark.slow
def test_a_plano_that_died_of_its_configuration_is_mended_by_the_fix_and_not_by_the_same_start(gateway):
    gateway.up(models=("ollama/llama3.1", "openai/gpt-4o"), OPENAI_API_KEY="sk-of-openai")
    gateway("up", "--save-keys", OPENAI_API_KEY="sk-of-openai")
    mend = patched(
        gateway,
        """
from ruamel.yaml import YAML
with open(brightstaff.os.environ["PLANO_CONFIG_PATH_RENDERED"]) as file:
    if [one.get("default") for one in YAML(typ="safe").load(file)["model_providers"]].count(True) > 1:
        sys.exit('Error: "failed to create LlmProviders: There must be at most one default LLM Provider"')
""",
    )
    text = (gateway.path / "config.yaml").read_text()
    gateway.write("config.yaml", text.replace("$OPENAI_API_KEY}", "$OPENAI_API_KEY, default: true}"))
    values = {name: gateway.env[name] for name in ("DB_USER", "DB_PASS", "DB_HOST", "DB_PORT", "DB_NAME")}
    gateway.machine.planoai(gateway, "up", **values)  # as `run` would refuse to
    assert gateway.plano()["state"] == "died"
    checks = {one["name"]: one for one in gateway("doctor", "--json", code=7).json["data"]["checks"]}
    fix = checks["plano"]["fix"]
    assert "first fix `config.yaml`: remove `default: true` from line" in fix
    assert fix.partition(": ")[2].startswith(checks["config"]["fix"])
    status = [one for one in gateway("status", "--json").json["warnings"] if one["code"] == "plano-died"]
    assert [one["fix"] for one in status] == [fix]
    gateway.write("config.yaml", text)
    gateway.follow(fix.rpartition(", then ")[2])
    assert gateway.plano()["state"] == "connected"
    mend()


def patched(gateway, text):
    """Have brightstaff changed by these lines; returns what puts it back."""
    program = gateway.machine.home / ".plano/bin/brightstaff"
    before = program.read_text()
    program.write_text(before.replace("brightstaff.main()", f"{text}\nbrightstaff.main()"))
    return lambda: program.write_text(before)


@pytest.mark.slow
def test_a_plano_that_forgets_is_looked_at_by_the_fix_and_one_that_is_mended_is_no_problem(gateway):
    mend = patched(gateway, "brightstaff.Storage.get = lambda *_: []")
    gateway.up("--with-plano")
    told = gateway("verify", "--through-plano", code=7)
    assert "[history-lost]" in told.err
    assert "plano" in gateway.follow(fix_of(told)).out
    mend()
    gateway("down", "--with-plano", "--keep-data")
    gateway("up", "--with-plano")
    gateway("verify", "--through-plano")


HANGS = """
import os
from pathlib import Path
def unless(usual):
    return lambda self: self.connection.shutdown(2) if hangs() else usual(self)
def hangs():
    return Path({file!r}).exists() and Path({file!r}).read_text() == str(os.getpid())
for name in ("do_GET", "do_POST"):
    setattr(brightstaff.Handler, name, unless(getattr(brightstaff.Handler, name)))
"""


@pytest.mark.slow
def test_a_plano_that_has_its_connection_and_does_not_answer_is_started_again_by_the_fix(gateway):
    file = gateway.path / "hangs"
    patched(gateway, HANGS.format(file=str(file)))
    gateway.up("--with-plano")
    file.write_text(str(gateway.machine.pids["brightstaff"]))
    told = gateway("ask", "Hello", code=6)
    assert "[plano-not-answering]" in told.err
    assert gateway.plano()["state"] == "connected"
    gateway.follow(fix_of(told))
    assert "turn 1" in gateway("ask", "Hello").err
