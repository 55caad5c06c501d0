"""`planodev ask`: one turn through the running Plano, and what the table has of it."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from planodev.commands import ask
from planodev.gateway import client
from planodev.problems import Interrupted
from tests.support import left_over
from tests.support.ports import free_port
from tests.support.requirements import require_engine
from tests.support.stand_in.machine import Machine
from tests.support.stand_in.project import Gateway
from tests.support.waiting import until

KEY = "sk-secret-of-the-provider"

pytestmark = [pytest.mark.embedded, pytest.mark.planoai]


@pytest.fixture(scope="module")
def one(quick_python):
    """Run a Plano for the whole module."""
    require_engine("embedded")
    base = left_over.make()
    machine = Machine(base / "machine", quick_python)
    project = Gateway(base / "shop", base, machine)
    project.up("--with-plano")
    yield project
    machine.clean()
    left_over.remove(base)


@pytest.fixture
def running(one):
    """Return a project with a Plano that runs, and with no conversation."""
    with one.login() as session:
        session.execute("DELETE FROM conversation_states")
    return one


@pytest.fixture
def own(gateway):
    """Return such a project for this test alone, which stops or kills what runs."""
    gateway.up("--with-plano")
    return gateway


@pytest.fixture
def answering():
    """Run an agent that answers everything; returns its port."""

    class Agent(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_): ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Agent) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server.server_port
        server.shutdown()


def asked(project, *arguments, code=0, **variables):
    return project("ask", *arguments, "--json", code=code, **variables).json


def test_a_conversation_goes_on_with_each_question_until_a_new_one_is_wanted(running):
    first = running("ask", "My name is Ann.")
    assert first.out == "1 messages, the first said: My name is Ann.\n"
    number = running.stored()[0]
    assert f"stored as {number} (turn 1)" in first.err
    second = asked(running, "Who am I?")["data"]
    assert second["answer"] == "3 messages, the first said: My name is Ann."
    assert (second["stored"], second["turn"], second["previous_response_id"]) == (True, 2, number)
    new = asked(running, "Hello", "--new")["data"]
    assert (new["turn"], new["previous_response_id"]) == (1, None)
    back = asked(running, "And now?", "--continue", number[:12])["data"]
    assert (back["turn"], back["previous_response_id"]) == (2, number)
    last = asked(running, "And now?", "--continue", "last")["data"]
    assert last["previous_response_id"] == back["response_id"]
    assert len(running.stored()) == 5
    assert "Who am I?" in running("conversations", "show", second["response_id"]).out


def piped(project, question, code=0):
    command = project.command("ask", "-")
    place = {"env": project.environment, "cwd": project.path.parent}
    done = subprocess.run(command, **place, input=question, capture_output=True, timeout=60, check=False)
    assert done.returncode == code, done.stderr.decode()
    return done.stdout.decode(), done.stderr.decode()


def test_a_question_is_read_from_a_pipe(running):
    assert piped(running, b"from a pipe\n")[0] == "1 messages, the first said: from a pipe\n"
    assert "[usage]" in piped(running, b"\n", code=2)[1]
    assert "PostgreSQL stores none" in piped(running, b"a\0b", code=2)[1]
    assert running("ask", " ", code=2).err.count("[usage]") == 1
    assert running("ask", "x", "--new", "--continue", "last", code=2).err.count("cannot be used together") == 1


def test_bytes_that_are_no_text_are_stored_as_marks(running):
    assert asked(running, "caf\udce9")["data"]["stored"]
    assert "caf\N{REPLACEMENT CHARACTER}" in running("conversations").out


def test_a_turn_that_plano_does_not_find_yet_is_sent_again_once(running):
    running("ask", "My name is Ann.")
    again = asked(running, "409 once")["data"]  # as it does right after an outage
    assert (again["turn"], again["answer"]) == (2, "3 messages, the first said: My name is Ann.")
    assert again["sent_again"]
    assert "(turn 3), sent again after a 409" in running("ask", "409 once, and on").err
    refused = running("ask", "409 always", code=4)
    assert "[turn-unknown]" in refused.err
    new = re.search("fix: `planodev -C .* (ask --new .*)` starts a new conversation", refused.err)[1]
    assert "turn 1" in running(*shlex.split(new)).err


@pytest.mark.slow
def test_a_turn_that_was_never_stored_is_not_gone_on_from(running):
    late = asked(running, "stored late")
    assert (late["data"]["stored"], late["warnings"][0]["code"]) == (False, "turn-not-stored")
    assert running("ask", "and on").out.startswith("1 messages")
    running("reset", "--yes")
    new = running("ask", "and on")
    assert "starts a new conversation" in new.err
    assert new.out.startswith("1 messages")


@pytest.mark.slow
def test_a_model_whose_provider_keeps_the_history_is_not_stored_and_that_is_said(gateway):
    gateway.up(models=("openai/gpt-4o",), OPENAI_API_KEY=KEY)
    gateway("up", "--with-plano", "--save-keys", OPENAI_API_KEY=KEY)
    seen = asked(gateway, "Hello")
    assert (seen["data"]["stored"], seen["warnings"][0]["code"]) == (False, "turn-not-stored")
    assert "openai keeps the history itself" in seen["data"]["why"]
    (store,) = re.findall(f"`planodev -C {gateway.path} ([^`]*)`", seen["warnings"][0]["fix"])
    assert "--store-all" in store
    refused = gateway("ask", "401 please", code=5)
    assert "[provider-refuses-key]" in refused.err
    assert "openai refuses OPENAI_API_KEY" in refused.err
    assert "keys set OPENAI_API_KEY` asks for a valid one" in refused.err
    assert KEY not in refused.err + refused.out
    limited = gateway("ask", "429 please", code=6)
    assert "[provider-limit]" in limited.err
    assert "try again in 20s" in limited.err
    gateway(*store.split(), "--yes")
    assert asked(gateway, "Hello")["data"]["stored"]


@pytest.mark.slow
def test_two_models_of_which_one_keeps_its_own_history_do_not_go_on_from_each_other(gateway):
    gateway.up(models=("ollama/llama3.1", "openai/gpt-4o"), OPENAI_API_KEY=KEY)
    gateway("up", "--with-plano", "--save-keys", OPENAI_API_KEY=KEY)
    stored = asked(gateway, "My name is Ann.")["data"]["response_id"]
    own = gateway("ask", "Who am I?", "--model", "openai/gpt-4o")
    assert "does not know the last turn: this starts a new conversation" in own.err
    assert gateway("ask", "And now?").out.startswith("1 messages")  # the other way round
    refused = gateway("ask", "Who am I?", "--continue", stored, "--model", "gpt-4o", code=4).err
    assert f"openai keeps the history itself, and does not know the turn `{stored}` [turn-unknown]" in refused
    new = re.search("`planodev -C .* (ask --new .*)` starts a new conversation", refused)[1]
    assert shlex.split(new) == ["ask", "--new", "--model", "gpt-4o", "Who am I?"]
    assert "gpt-4o, " in gateway(*shlex.split(new)).err
    routed = gateway("ask", "--new", "answer as openai/gpt-4o")
    assert "→ openai/gpt-4o, " in routed.err  # the one that answered, not the one that was asked for


def test_a_long_answer_whose_end_plano_misses_is_told_and_stored_without_a_stream(running):
    long = asked(running, "--new", "at length, please")
    assert (long["data"]["stored"], len(long["data"]["answer"])) == (False, 20_000)
    assert long["data"]["why"] == "Plano missed the end of the stream, as it may of a long answer (20,000 characters)"
    (whole,) = re.findall(f"`planodev -C {running.path} ([^`]*)`", long["warnings"][0]["fix"])
    assert shlex.split(whole) == ["ask", "--no-stream", "--new", "at length, please"]
    assert "(turn 1)" in running(*shlex.split(whole)).err
    assert "ask --no-stream -` asks for" in piped(running, b"at length, " * 100)[1]  # too long for a line to paste


# The code, what steers the provider once, and what the fix says beside commands that only look.
AGAIN = (
    ("answer-cut-off", "break off", "ask again"),
    ("answer-unreadable", "no JSON", "check `base_url`"),
    ("provider-limit", "429", "wait, and ask again"),
    ("provider-failed", "500", "ask again"),
    ("provider-failed", "overloaded", "ask again; `planodev"),
    ("provider-failed", "404", "check this model and its `base_url`"),
    ("provider-unreachable", "refused", "then ask again"),
    ("provider-unreachable", "too long", "then ask again"),
    ("answer-endless", "endlessly", "ask again, or another model by `--model`"),
)


@pytest.mark.slow
@pytest.mark.parametrize(("code", "steers", "says"), AGAIN)
def test_a_question_that_is_asked_again_as_the_fix_says_is_answered(running, code, steers, says):
    question = f"{steers} once {code}"
    error = running("ask", question, "--new", "--json", code=None).json["error"]
    assert (error["code"], says in error["fix"]) == (code, True), error
    for words in re.findall(f"`planodev -C {running.path} ([^`]*)`", error["fix"]):
        running(*words.split())
    assert asked(running, question, "--new")["data"]["stored"]


@pytest.mark.slow
def test_a_key_that_a_provider_refuses_is_replaced_as_the_fix_says(gateway):
    gateway.up(models=("openai/gpt-4o",), OPENAI_API_KEY=KEY)
    gateway("up", "--with-plano", "--save-keys", OPENAI_API_KEY=KEY)
    error = gateway("ask", "401 unless valid", "--json", code=5).json["error"]
    assert error["code"] == "provider-refuses-key"
    for words in re.findall("`planodev ([^`]*)`", error["fix"]):
        done = subprocess.run(
            [*gateway.command()[:3], *words.split(), *(["--yes"] if " up " in words else [])],
            env=gateway.environment,
            input="sk-valid\n",
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    gateway("ask", "401 unless valid")


def test_what_comes_back_may_be_broken_or_large(running):
    cut = running("ask", "break off", code=6)
    assert "[answer-cut-off]" in cut.err
    assert cut.out.startswith("1 messages")
    assert "Plano cannot read what ollama answers [answer-unreadable]" in running("ask", "no JSON", "--new", code=1).err
    large = asked(running, "10 MB", "--new")
    assert (len(large["data"]["answer"]), large["data"]["stored"]) == (10_000_000, False)
    assert (
        large["warnings"][0]["fix"]
        == "ask for a shorter answer: in one piece, by `--no-stream`, Plano passes on 1 MB at most"
    )
    assert "leave `--no-stream` out" in running("ask", "10 MB", "--no-stream", code=1).err
    unknown = running("ask", "x", "--model", "nobody/knows", code=2)
    assert "[model-not-configured]" in unknown.err
    assert "leave `--model` out, or name one of these" in unknown.err
    assert asked(running, "x")["data"]["stored"]
    assert asked(running, "x", "--model", re.search("why: it has `(.*)`", unknown.err)[1])["data"]["stored"]
    assert asked(running, "x", "--model", "llama3.1")["data"]["stored"]


@pytest.mark.parametrize("text", ["slowly", "endlessly"])
def test_an_interrupted_question_says_that_its_turn_was_not_stored(running, text):
    asking = running.start("ask", text)
    assert asking.stdout.read(10) == "1 messages"
    asking.send_signal(signal.SIGINT)
    _, err = asking.communicate(timeout=30)
    assert asking.returncode == 130
    assert "interrupted; the turn is not stored" in err
    assert running.stored() == []


@pytest.mark.slow
def test_an_interrupted_turn_that_plano_stores_later_is_not_said_to_be_lost(running):
    asking = running.start("ask", "ends with a pause", "--new")
    assert asking.stdout.read(10) == "1 messages"
    asking.send_signal(signal.SIGINT)
    _, err = asking.communicate(timeout=30)
    assert "interrupted; the turn is not stored yet" in err
    show = re.search("`planodev -C .* (conversations show .*)` says later", err)[1].split()
    until(lambda: show[-1] in running.stored(), "the end of the answer, to which nobody listens")
    assert "ends with a pause" in running(*show).out


@pytest.mark.slow
@pytest.mark.parametrize("option", ["--new", "--no-stream"])
def test_an_interrupted_turn_of_which_nothing_has_come_yet_may_be_stored_later(running, option):
    log = running.machine.home / ".plano/run/logs/brightstaff.log"
    asking = running.start("ask", f"begins with a pause {option}", option)
    until(lambda: f"latest_message=begins with a pause {option}" in log.read_text(), "Plano to have the question")
    time.sleep(1)  # noqa: TID251  the moment is the fault: within the three seconds in which Plano has begun to answer
    asking.send_signal(signal.SIGINT)
    _, err = asking.communicate(timeout=30)
    assert "interrupted; the turn is not stored yet" in err
    assert re.search("`planodev -C .* conversations` says later", err)
    until(running.stored, "the end of the answer, to which nobody listens")


@pytest.mark.parametrize(
    ("answer", "kept", "said"),
    [
        (client.Answer(), True, "interrupted; the turn is not stored"),
        (client.Answer(begun=True), False, "interrupted; the turn is not stored"),
        (client.Answer(begun=True), True, "not stored yet: Plano still stores it where the end is in the next piece"),
        (
            client.Answer(begun=True, complete=True),
            True,
            "not stored yet: Plano stores a turn after its answer, unless",
        ),
    ],
)
def test_an_interruption_says_what_may_still_become_of_the_turn(answer, kept, said):
    with pytest.raises(Interrupted) as caught, ask.interruption_told(None, answer, kept=kept):
        raise KeyboardInterrupt
    assert said in f"{caught.value.message}: {caught.value.why}"
    assert ("yet" in caught.value.message) == ("yet" in said)


@pytest.mark.slow
def test_a_question_that_is_interrupted_after_its_answer_says_whether_its_turn_was_stored(running):
    asking = running.start("ask", "stored late", "--new")
    assert asking.stdout.read(10) == "1 messages"  # and Plano has not stored it yet
    asking.stdout.read(len(", the first said: stored late"))
    asking.send_signal(signal.SIGINT)
    _, err = asking.communicate(timeout=30)
    assert asking.returncode == 130
    assert "interrupted; the turn is not stored" in err


def test_a_plano_that_lost_its_database_answers_and_that_is_said(own):
    own("ask", "My name is Ann.")
    own("down", "--keep-data")
    own("up")
    seen = asked(own, "Who am I?")
    assert seen["data"]["answer"].startswith("1 messages")  # without history
    assert seen["warnings"][0]["code"] == "turn-not-stored"
    assert "lost its connection" in seen["data"]["why"]
    assert "→ ollama/llama3.1, " in own("ask", "Who am I?").err  # as where it is stored, whose row has the provider too
    (start,) = re.findall(f"`planodev -C {own.path} ([^`]*)`", seen["warnings"][0]["fix"])
    own(*start.split(), "--yes")
    assert asked(own, "Who am I?")["data"]["answer"] == "3 messages, the first said: My name is Ann."


@pytest.mark.slow
def test_what_is_said_to_an_agent_listener_is_answered_and_not_stored(gateway, answering):
    port = free_port()
    agent = f"  - {{type: agent, name: helpers, port: {port}, agents: [{{id: a, description: d}}]}}\n"
    agents = f"agents:\n  - {{id: a, url: http://localhost:{answering}}}\n"
    gateway.write("config.yaml", gateway.configuration().replace("listeners:\n", f"{agents}listeners:\n{agent}"))
    gateway("up", "--with-plano")
    for path in ("/v1/responses", "/v1/chat/completions"):
        asked_for = urllib.request.Request(f"http://127.0.0.1:{port}{path}", b'{"input": "Hello"}')
        with urllib.request.urlopen(asked_for) as answer:
            assert answer.status == 200
    assert gateway.stored() == []
    assert "turn 1" in gateway("ask", "My name is Ann.").err  # by the model listener
    assert len(gateway.stored()) == 1


def test_without_a_plano_it_says_what_to_run(gateway):
    gateway.up()
    refused = gateway("ask", "Hello", code=6)
    assert "[plano-not-running]" in refused.err
    assert "up --with-plano`" in refused.err


@pytest.mark.slow
def test_the_plano_of_another_project_is_not_asked(make_gateway):
    first, second = make_gateway("first"), make_gateway("second")
    first.up()
    first("up", "--with-plano")
    second.up()
    refused = second("ask", "Hello", code=4)
    assert f"belongs to `{first.path}`" in refused.err
    assert first.stored() == []


@pytest.mark.slow
def test_a_dead_brightstaff_under_a_green_health_check_is_named(own):
    own.machine.kill("brightstaff")
    refused = own("ask", "Hello", code=6)
    assert "[plano-died]" in refused.err
