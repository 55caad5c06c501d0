"""The quick lane over a real socket, with an engine that answers as badly as engines do."""

import contextlib
import io
import json
import socket
import tarfile
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planodev.engines import Container, NotToldToGo
from planodev.engines.docker import archives, sdk, transport
from planodev.engines.docker.client import Refused
from planodev.engines.docker.engine import DockerEngine
from planodev.engines.docker.frames import Frames, NotHttp
from planodev.engines.docker.quick import QuickClient, check_version
from planodev.engines.endpoint import Endpoint
from planodev.problems import NoEngine
from planodev.project.identity import Owner
from tests.support import engine_server as bad
from tests.support.engine_server import HEAD, EngineServer, chunked, frame, whole
from tests.support.waiting import at_most, until

LIMIT = 1.0


@pytest.fixture
def at():
    with tempfile.TemporaryDirectory() as directory:  # a socket's path has 108 bytes at most, which tmp_path can exceed
        yield Path(directory) / "d.sock"


@pytest.fixture
def engine(at):
    server = EngineServer(at)
    yield server
    server.stop()


@pytest.fixture
def client(engine):
    return QuickClient(Endpoint(engine.url, "DOCKER_HOST"), lambda: LIMIT)


@pytest.fixture(params=["quick", "sdk"])
def lane(request, engine):
    """Return each of the two clients, after the handshake."""
    where = Endpoint(engine.url, "DOCKER_HOST")
    if request.param == "sdk":
        return sdk.connect(where, lambda: LIMIT, bad.VERSION)
    client = QuickClient(where, lambda: LIMIT)
    client.version()
    return client


def test_the_version_comes_from_one_ping_and_questions_share_a_connection(engine, client):
    assert client.version() == client.version() == {"ApiVersion": "1.45", "Version": "26.1.5"}
    assert client.volumes() == {"Volumes": None}
    assert client.containers(all=True) == []
    assert engine.asked == ["GET /_ping", "GET /volumes", "GET /containers/json"]
    assert engine.opened == 1


@pytest.mark.parametrize("case", [str.lower, str.upper, str.title])
def test_headers_are_read_in_any_case(engine, client, case):
    names = [f"{case(name)}: {value}" for name, value in (line.split(": ") for line in HEAD)]
    engine.bad.append(("GET /_ping", bad.well(whole(200, b"OK", head=names))))
    assert client.version() == {"ApiVersion": "1.45", "Version": "26.1.5"}


@pytest.mark.parametrize(
    ("way", "code", "why"),
    [
        (bad.well(whole(500, {"message": "disk on fire"})), "engine-error", "500 disk on fire"),
        (bad.page_500, "engine-error", "500 500 Internal Server Error the disk is on fire"),
        (bad.says(b"HTTP/1.1 503 Service Unavailable\r\n\r\n<h1>starting</h1>"), "engine-error", "503 starting"),
        (bad.well(whole(503)), "engine-error", "503 Some Reason"),
        (bad.forbidden, "engine-forbids", "403 GET /_ping: 403 Forbidden Request forbidden"),
        (bad.another_program, "engine-error", "SSH-2.0-OpenSSH_9.6"),
        (bad.says(b"\xff\xfe\x00"), "engine-error", "not HTTP"),
        (bad.closes, "engine-lost", "closed without an answer"),
        (bad.in_the_middle, "engine-lost", "cut off"),
        (bad.in_a_chunk, "engine-lost", "cut off"),
        (bad.silent, "engine-timed-out", "within 1"),
        (bad.dripping, "engine-timed-out", "within 1"),
        (bad.dripping_head, "engine-timed-out", "within 1"),
        (bad.endless, "engine-timed-out", "within 1"),
    ],
)
def test_an_engine_that_greets_badly_is_no_engine(engine, client, way, code, why):
    engine.bad.append(("GET /_ping", way))
    with at_most(LIMIT):
        with pytest.raises(NoEngine) as caught:
            client.version()
        assert (caught.value.code, caught.value.exit_code) == (code, 3)
        assert why in caught.value.why
        assert caught.value.fix


# What a question meets after the handshake, over either lane: the code, and a part of the cause.
LOST = [
    (bad.closes, "engine-lost", ""),
    (bad.in_the_head, "engine-lost", ""),
    (bad.in_the_middle, "engine-lost", ""),
    (bad.in_a_chunk, "engine-lost", ""),
    (bad.between_chunks, "engine-lost", ""),
    (bad.silent, "engine-timed-out", "within 1"),
    (bad.dripping, "engine-timed-out", "within 1"),
    (bad.dripping_head, "engine-timed-out", "within 1"),
    (bad.endless, "engine-timed-out", "within 1"),
]


@pytest.mark.parametrize(("way", "code", "why"), LOST)
def test_an_answer_that_does_not_come_whole_is_told_within_the_limit(engine, lane, way, code, why):
    engine.bad.append(("GET /containers/json", way))
    with at_most(LIMIT):
        with pytest.raises(NoEngine) as caught:
            lane.containers(all=True)
        assert caught.value.code == code, caught.value.why
        assert why in caught.value.why


def test_a_refusal_after_the_greeting_is_the_requests_own(engine, lane):
    engine.bad += [
        ("GET /info", bad.page_500),
        ("GET /networks/bridge", bad.well(whole(500, {"message": "disk on fire"}))),
        ("GET /volumes", bad.forbidden),
    ]
    with pytest.raises(Refused, match="the disk is on fire") as caught:
        lane.info()
    assert caught.value.status == 500
    with pytest.raises(Refused, match=r"^disk on fire$"):
        lane.inspect_network("bridge")
    with pytest.raises(Refused, match=r"^403 GET \S*/volumes: ") as caught:
        lane.volumes()
    assert lane.find_image("x:1") is None
    assert lane.find_image("postgres:16") == bad.IMAGE


@pytest.mark.parametrize(
    "data",
    [
        whole(200, {"Volumes": []}),
        chunked(200, [b'{"Volu', b'mes": [', b"]}"]),
        b"HTTP/1.1 100 Continue\r\n\r\n" + whole(200, {"Volumes": []}),
        b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" + whole(200, {"Volumes": []}),
        b'HTTP/1.0 200 OK\r\nX: y\r\n\r\n{"Volumes": []}',
        b'HTTP/1.1 200 OK\r\n\r\n{"Volumes": []}',
    ],
    ids=["sized", "chunked", "continue", "interim", "1.0", "up to the end"],
)
def test_every_form_of_an_answer_is_read(engine, client, data):
    keeps = b"Content-Length" in data or b"chunked" in data
    engine.bad.append(("GET /volumes", (bad.well if keeps else bad.says)(data)))
    assert client.volumes() == client.volumes() == {"Volumes": []}
    assert engine.opened == (1 if keeps else 2)


@given(st.lists(st.binary(min_size=1, max_size=30), max_size=6), st.data())
def test_a_body_is_the_same_however_it_is_cut(pieces, data):
    """In chunks of any size, which come in pieces of any size, behind an interim answer or not."""
    text = b"HTTP/1.1 103 Early Hints\r\n\r\n" * data.draw(st.booleans()) + chunked(200, pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    ours, theirs = socket.socketpair()

    def send():
        with theirs:
            for begin, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
                theirs.sendall(text[begin:end])

    with ours:
        thread = threading.Thread(target=send)
        thread.start()
        connection = transport._Connection(ours, time.monotonic() + 10)
        assert connection.whole(connection.asked("GET", "/", b"", {})).body == b"".join(pieces)
        thread.join()


@given(st.binary(min_size=1, max_size=40), st.data())
def test_a_body_that_is_cut_off_is_never_taken_for_whole(body, data):
    text = data.draw(st.sampled_from([whole(200, body), chunked(200, [body[:7], body[7:]])]))
    start = text.index(b"\r\n\r\n") + 4
    # From the last chunk's zero on nothing is missing.
    end = len(text) - (0 if b"Content-Length" in text else 5)
    cut = data.draw(st.integers(start, end - 1))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(text[:cut])
        theirs.shutdown(socket.SHUT_WR)
        connection = transport._Connection(ours, time.monotonic() + 10)
        with pytest.raises(ConnectionError, match="cut off"):
            connection.whole(connection.asked("GET", "/", b"", {}))


def test_an_answer_without_a_body_leaves_the_connection_in_order(engine, client):
    number = client.make_container({"Image": "postgres:16"})
    client.start(number)  # 204
    engine.bad.append(("POST .*/start", bad.well(b"HTTP/1.1 304 Not Modified\r\n\r\n")))
    client.start(number)
    engine.bad.append(("GET /info", bad.well(whole(200))))
    assert client._ask("GET", "/info").body == b""
    assert client.inspect_container(number)["State"]["Running"]


def test_an_answer_that_comes_before_the_request_was_read_is_read(engine, lane):
    big = b"x" * 2_000_000  # more than a socket holds, so that sending fails
    engine.bad.append(("PUT .*/archive", bad.before_reading(whole(400, {"message": "no such thing"}))))
    for archive in (big, b"small"):
        with pytest.raises(Refused, match="no such thing"):
            lane.put_files("c", "/etc", archive)


def test_an_answer_up_to_the_end_may_end_with_a_reset(engine, client):
    engine.bad.append(("PUT .*/archive", bad.before_reading(b"HTTP/1.0 200 OK\r\n\r\nfine")))
    client.put_files("c", "/etc", b"x" * 20_000)


def test_an_archive_ends_at_its_end_mark():
    archive = archives.packed({"secret": "password"})
    assert len(archive) == 512 + 512 + 1024
    assert not any(archive[-1024:])
    with tarfile.open(fileobj=io.BytesIO(archive)) as read:
        member = read.getmember("secret")
        assert (read.extractfile(member).read(), member.mode) == (b"password", 0o400)


def test_a_connection_that_was_closed_while_idle_is_made_again_once(engine, client):
    client.version()
    engine.bad.append(("GET /volumes", bad.one_by_one(bad.closes, bad.closes, bad.well(whole(200, {"Volumes": []})))))
    with pytest.raises(NoEngine):  # closed twice: the second one was new
        client.volumes()
    client.info()
    assert client.volumes() == {"Volumes": []}
    assert engine.asked.count("GET /volumes") == 3


@pytest.mark.parametrize("way", [bad.in_the_middle, bad.in_the_head])
def test_a_question_whose_answer_has_begun_is_not_asked_again(engine, client, way):
    client.version()
    engine.bad.append(("GET /volumes", way))
    with pytest.raises(NoEngine):
        client.volumes()
    assert engine.asked.count("GET /volumes") == 1


def test_what_changes_something_is_never_asked_twice(engine, client):
    client.version()
    engine.bad.append(("POST /containers/create", bad.done_and_lost))
    with pytest.raises(NoEngine) as caught:
        client.make_container({"Image": "postgres:16"})
    assert caught.value.code == "engine-lost"
    assert len(engine.engine.containers) == 1


def test_an_engine_that_ends_meanwhile_was_there(engine, client, at):
    client.version()
    engine.stop()
    client._http._idle.clear()
    at.unlink()
    with pytest.raises(NoEngine) as caught:
        client.info()
    assert (caught.value.code, "closed the connection" in caught.value.why) == ("engine-lost", True)


def test_an_engine_that_never_was_there_is_not_lost(at):
    with pytest.raises(NoEngine) as caught:
        QuickClient(Endpoint(f"unix://{at}", "DOCKER_HOST"), lambda: LIMIT).version()
    assert caught.value.code == "no-socket"


def test_threads_do_not_get_each_others_answers(engine, client):
    numbers = [client.make_container({"Image": "postgres:16"}) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda i: client.inspect_container(numbers[i % 8])["Id"], range(200)))
    assert found == [numbers[i % 8] for i in range(200)]
    assert len(client._http._idle) <= 8


def test_a_signal_is_said_and_its_answer_not_waited_for(engine):
    client = QuickClient(Endpoint(engine.url, "DOCKER_HOST"), lambda: 60)
    client.version()
    engine.bad.append(("POST .*/kill", bad.silent))
    with at_most(0):
        client.signal("c", "KILL")


@pytest.mark.parametrize("upgrades", [True, False])
@pytest.mark.parametrize("waits", [False, True])
def test_a_command_runs_with_its_environment_and_only_after_go(engine, client, waits, upgrades):
    engine.upgrades, engine.exit_code = upgrades, 3
    number = client.make_container({"Image": "postgres:16"})
    told = []
    go = (lambda: told.append("go") or True) if waits else None
    assert client.exec_run(number, ["psql", "-X"], {"PGUSER": "plano"}, go) == (3, b"out put", b"err")
    program = engine.engine.programs["0"]
    assert (program["Cmd"][-2:], program["Env"], program["AttachStdin"]) == (["psql", "-X"], ["PGUSER=plano"], waits)
    assert (told, program.get("Input")) == ((["go"], "\n") if waits else ([], None))


@pytest.mark.parametrize("upgrades", [True, False])
def test_a_command_that_is_not_told_to_go_never_runs(engine, client, upgrades):
    engine.upgrades = upgrades
    number = client.make_container({"Image": "postgres:16"})
    with pytest.raises(NotToldToGo):
        client.exec_run(number, ["psql"], {}, lambda: False)
    until(lambda: engine.engine.programs["0"]["ExitCode"] is not None, "its end")
    assert (engine.engine.programs["0"]["Input"], engine.engine.programs["0"]["ExitCode"]) == ("", 1)


def take_longer(limits):
    time.sleep(limits * LIMIT)  # noqa: TID251  the time is what the test is about


def test_the_limit_begins_anew_once_a_command_was_told_to_go(engine, client):
    number = client.make_container({"Image": "postgres:16"})
    assert client.exec_run(number, ["psql"], {}, lambda: take_longer(1.2) or True)[1] == b"out put"


@pytest.mark.parametrize(
    ("output", "code"),
    [
        ([frame(1, b"out"), frame(1, b"cut off")[:10]], "engine-lost"),
        ([b"no frames at all"], "engine-lost"),
    ],
)
def test_output_that_is_not_whole_is_a_lost_connection(engine, client, output, code):
    client.version()
    engine.output = output
    number = client.make_container({"Image": "postgres:16"})
    with pytest.raises(NoEngine) as caught:
        client.exec_run(number, ["psql"], {})
    assert caught.value.code == code


def test_output_that_never_ends_ends_within_the_limit(engine, client):
    engine.bad.append(("POST /exec/.*/start", bad.talking_for_ever))
    number = client.make_container({"Image": "postgres:16"})
    with at_most(LIMIT):
        with pytest.raises(NoEngine) as caught:
            client.exec_run(number, ["psql"], {})
        assert caught.value.code == "engine-timed-out"


@pytest.mark.parametrize("way", [bad.talking_for_ever, bad.silent])
def test_a_program_has_its_own_limit_where_the_engine_may_be_waited_for_longer(engine, at, way):
    engine.bad.append(("POST /exec/.*/start", way))
    where = Endpoint(engine.url, "DOCKER_HOST")
    for lane in (QuickClient(where, lambda: 60.0), sdk.connect(where, lambda: 60.0, bad.VERSION)):
        number = lane.make_container({"Image": "postgres:16"})
        with at_most(LIMIT):
            with pytest.raises(NoEngine) as caught:
                lane.exec_run(number, ["psql"], {}, most=LIMIT)
            assert caught.value.code == "engine-timed-out"


@pytest.mark.parametrize("way", [bad.silent, bad.dripping])
def test_an_engine_that_stops_nothing_is_waited_for_within_the_limit(engine, lane, way):
    engine.bad.append(("POST /containers/.*/stop", way))
    number = lane.make_container({"Image": "postgres:16"})
    where, server = Endpoint(engine.url, "DOCKER_HOST"), Container(number, *("a",) * 4, 1, (), None, Owner("", "", ""))
    with at_most(LIMIT, beside=6):
        with pytest.raises(NoEngine) as caught:
            DockerEngine(lane, where, lambda: LIMIT).stop(server, 10.0)
        assert caught.value.code == "engine-timed-out"


def test_what_runs_in_a_container_is_named_by_its_programs(engine, lane):
    rows = ["postgres -D /data", "postgres: checkpointer ", "bash /usr/local/bin/docker-entrypoint.sh postgres"]
    rows += ["sh -c sleep 5", "/usr/bin/sleep --token=hunter2", "-ash", " "]
    engine.engine.processes["Processes"] = [["70", "1", row] for row in rows]
    where = Endpoint(engine.url, "DOCKER_HOST")
    server = Container("a", "plano", "running", "postgres:16", "", 5432, (), None, Owner("", "", ""))
    found = DockerEngine(lane, where, lambda: LIMIT).programs(server)
    assert found == ("postgres", "docker-entrypoint.sh", "sh", "sleep", "ash")
    engine.engine.processes["Processes"] = None
    assert DockerEngine(lane, where, lambda: LIMIT).programs(server) == ()
    engine.bad.append(("GET /containers/.*/top", bad.well(whole(500, {"message": "container a is not running"}))))
    assert DockerEngine(lane, where, lambda: LIMIT).programs(server) == ()


def test_a_command_that_still_runs_when_its_output_has_ended_was_cut_off(engine, lane, monkeypatch):
    for module in ("quick", "sdk"):
        monkeypatch.setattr(f"planodev.engines.docker.{module}.NOTED", 0.1)
    engine.bad.append(("GET /exec/.*/json", bad.well(whole(200, {"ExitCode": None, "Running": True}))))
    number = lane.make_container({"Image": "postgres:16"})
    with pytest.raises(NoEngine) as caught:
        lane.exec_run(number, ["psql"], {})
    assert (caught.value.code, "while it was running" in caught.value.why) == ("engine-lost", True)


def test_an_end_that_is_noted_late_is_waited_for(engine, lane):
    notes = ({"ExitCode": None, "Running": True}, {"ExitCode": 0, "Running": True}, {"ExitCode": 3, "Running": False})
    engine.bad.append(("GET /exec/.*/json", bad.one_by_one(*(bad.well(whole(200, note)) for note in notes))))
    number = lane.make_container({"Image": "postgres:16"})
    assert lane.exec_run(number, ["psql"], {})[0] == 3


def test_a_command_that_the_engine_would_not_start_is_refused(engine, client):
    number = client.make_container({"Image": "postgres:16"})
    engine.bad.append(("POST /exec/.*/start", bad.well(whole(409, {"message": "container is paused"}))))
    with pytest.raises(Refused, match="is paused") as caught:
        client.exec_run(number, ["psql"], {})
    assert caught.value.status == 409


def test_what_the_engine_says_in_the_middle_of_the_output_is_its_error(engine, client):
    engine.output = [frame(1, b"some"), frame(3, b"the disk is on fire")]
    number = client.make_container({"Image": "postgres:16"})
    with pytest.raises(Refused, match="on fire"):
        client.exec_run(number, ["psql"], {})


FRAMES = st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=300)), max_size=8)


@given(FRAMES, st.data())
def test_frames_come_apart_into_stdout_and_stderr_however_they_are_cut(frames, data):
    text = b"".join(frame(*pair) for pair in frames)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=20)))
    reader = Frames()
    for begin, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        reader.feed(text[begin:end])
    reader.end()
    assert reader.out == b"".join(text for kind, text in frames if kind == 1)
    assert reader.err == b"".join(text for kind, text in frames if kind == 2)


@given(FRAMES, st.data())
def test_frames_that_are_cut_off_give_what_came_whole_and_say_so(frames, data):
    ends = [0]
    for pair in frames:
        ends.append(ends[-1] + len(frame(*pair)))
    text = b"".join(frame(*pair) for pair in frames)
    cut = data.draw(st.integers(0, len(text)))
    reader = Frames()
    reader.feed(text[:cut])
    assert reader.out == b"".join(
        text for (kind, text), end in zip(frames, ends[1:], strict=True) if kind == 1 and end <= cut
    )
    with contextlib.nullcontext() if cut in ends else pytest.raises(ConnectionError):
        reader.end()


@given(st.binary(max_size=40))
def test_whatever_comes_is_frames_or_said_to_be_none(data):
    reader = Frames()
    with contextlib.suppress(NotHttp):
        reader.feed(data)


def test_an_answer_that_is_larger_than_any_can_be_is_not_collected(engine, client, monkeypatch):
    monkeypatch.setattr(transport, "LARGEST", 100_000)
    client.version()
    engine.bad.append(("GET /volumes", bad.well(chunked(200, [b" " * 60_000] * 3))))
    with pytest.raises(NoEngine, match="was lost"):
        client.volumes()


def test_an_old_engine_is_refused_by_its_ping(engine, client):
    head = ("api-version: 1.39", "Server: Docker/18.09.1 (linux)")
    engine.bad.append(("GET /_ping", bad.well(whole(200, b"OK", head=head))))
    with pytest.raises(NoEngine, match="too old") as caught:
        check_version(Endpoint(engine.url, "DOCKER_HOST"), client.version())
    assert "1.39" in caught.value.why


def test_another_web_server_is_not_taken_for_an_engine(engine, client):
    engine.bad.append(("GET /_ping", bad.well(whole(200, b"hello", head=("Server: nginx",)))))
    with pytest.raises(NoEngine) as caught:
        check_version(Endpoint(engine.url, "DOCKER_HOST"), client.version())
    assert caught.value.code == "engine-error"


def test_a_pull_that_falls_silent_ends(engine, monkeypatch):
    monkeypatch.setattr(sdk, "SILENCE", 0.3)
    events = chunked(200, [json.dumps({"status": "Downloading"}).encode()])[: -len(b"0\r\n\r\n")]

    def pulls(connection, request):
        connection.send(events)
        return bad.silent(connection, request)

    engine.bad.append(("POST /images/create", pulls))
    client = sdk.connect(Endpoint(engine.url, "DOCKER_HOST"), lambda: LIMIT, bad.VERSION)
    found = client.pull("postgres", "16")
    assert next(found) == {"status": "Downloading"}
    with pytest.raises(NoEngine) as caught:
        next(found)
    assert caught.value.code == "engine-timed-out"


def test_a_pull_that_breaks_off_is_a_lost_connection(engine):
    engine.bad.append(("POST /images/create", bad.in_a_chunk))
    client = sdk.connect(Endpoint(engine.url, "DOCKER_HOST"), lambda: LIMIT, bad.VERSION)
    with pytest.raises(NoEngine) as caught:
        list(client.pull("postgres", "16"))
    assert caught.value.code == "engine-lost"


def test_what_is_called_may_take_as_long_as_it_says(engine):
    def waits(connection, request):
        take_longer(1.5)
        return bad.well(whole(200, {"StatusCode": 0}))(connection, request)

    engine.bad.append(("POST .*/wait", waits))
    client = sdk.connect(Endpoint(engine.url, "DOCKER_HOST"), lambda: LIMIT, bad.VERSION)
    client.wait("c", timeout=2)
    with pytest.raises(NoEngine) as caught:
        client.wait("c", timeout=0.1)
    assert caught.value.code == "engine-timed-out"
