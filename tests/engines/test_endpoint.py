"""Which engine is asked, what is said when none answers, and the quick lane over a real socket."""

import hashlib
import json
import socket

import pytest

from planodev.engines import endpoint, failures
from planodev.engines.docker import sdk
from planodev.engines.docker.quick import check_version
from planodev.engines.endpoint import Endpoint
from planodev.problems import NoEngine

DEFAULT = "/var/run/docker.sock"


class Sockets:
    """The sockets of a machine, by path; remembers which were looked at."""

    def __init__(self, states=None):
        self.states = {str(path): state for path, state in (states or {}).items()}
        self.looked_at = []

    def __call__(self, path):
        self.looked_at.append(str(path))
        return self.states.get(str(path), "missing")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home directory with its own docker configuration, which the SDK finds through the real environment."""
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / ".docker"))
    (tmp_path / ".docker").mkdir()
    return tmp_path


def find(home, sockets=None, **environment):
    return endpoint.find({"DOCKER_CONFIG": str(home / ".docker"), **environment}, home, sockets or Sockets())


def add_context(home, name, host, *, current=True):
    """Write a context as `docker context create` and `docker context use` do."""
    meta = home / ".docker" / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest()
    meta.mkdir(parents=True)
    stored = {"Name": name, "Metadata": {}, "Endpoints": {"docker": {"Host": host, "SkipTLSVerify": False}}}
    (meta / "meta.json").write_text(json.dumps(stored))
    if current:
        use_context(home, name)


def use_context(home, name):
    (home / ".docker" / "config.json").write_text(json.dumps({"currentContext": name}))


def test_docker_host_beats_the_context_and_the_context_beats_the_sockets(home):
    sockets = Sockets({DEFAULT: "answers"})
    assert find(home, sockets) == Endpoint(f"unix://{DEFAULT}", "default socket")
    add_context(home, "colima", "unix:///c.sock")
    found = find(home, sockets)
    assert (found.url, found.source) == ("unix:///c.sock", "context `colima`")
    found = find(home, sockets, DOCKER_HOST="unix:///h.sock")
    assert (found.url, found.source) == ("unix:///h.sock", "DOCKER_HOST")


def test_the_variable_docker_context_beats_the_current_one(home):
    add_context(home, "one", "unix:///1.sock")
    add_context(home, "two", "unix:///2.sock", current=False)
    assert find(home, DOCKER_CONTEXT="two").url == "unix:///2.sock"


@pytest.mark.parametrize("how", ["current", "variable", "without-endpoint"])
def test_a_context_that_cannot_be_used_is_an_error_and_never_another_engine(home, how):
    sockets = Sockets({DEFAULT: "answers"})
    variables = {}
    if how == "current":
        use_context(home, "gone")
    elif how == "variable":
        variables = {"DOCKER_CONTEXT": "gone"}
    else:
        add_context(home, "gone", "")
    with pytest.raises(NoEngine) as caught:
        find(home, sockets, **variables)
    assert (caught.value.code, caught.value.exit_code) == ("no-context", 3)
    assert "`gone`" in caught.value.message
    assert sockets.looked_at == []


@pytest.mark.parametrize("config", [None, "{}", '{"currentContext": "default"}', '{"auths": {}}'])
def test_the_built_in_context_means_the_sockets(home, config):
    if config:
        (home / ".docker" / "config.json").write_text(config)
    assert find(home, Sockets({DEFAULT: "answers"})).url == f"unix://{DEFAULT}"


def test_the_most_usual_socket_that_answers_is_taken(home):
    runtime = home / "run"
    usual_first = [str(path) for path, _ in endpoint.known_sockets(home, runtime)]
    assert usual_first[:3] == [DEFAULT, str(runtime / "docker.sock"), str(home / ".docker/run/docker.sock")]
    while usual_first:
        sockets = Sockets(dict.fromkeys(usual_first, "answers"))
        assert find(home, sockets, XDG_RUNTIME_DIR=str(runtime)).url == f"unix://{usual_first.pop(0)}"


def test_a_socket_that_answers_beats_an_earlier_one_that_does_not(home):
    colima = home / ".colima/default/docker.sock"
    states = {DEFAULT: "dead", home / ".docker/run/docker.sock": "denied", colima: "answers"}
    assert find(home, Sockets(states)) == Endpoint(f"unix://{colima}", "Colima")


@pytest.mark.parametrize(
    ("states", "code", "fix"),
    [
        ({}, "no-engine", "systemctl start docker"),
        ({DEFAULT: "denied"}, "engine-denied", "usermod -aG docker"),
        ({DEFAULT: "dead"}, "engine-not-started", "systemctl start docker"),
        ({".colima/default/docker.sock": "dead"}, "engine-not-started", "`colima start`"),
        ({".orbstack/run/docker.sock": "dead"}, "engine-not-started", "`orb start`"),
        ({".docker/run/docker.sock": "dead"}, "engine-not-started", "start docker-desktop`"),
        ({DEFAULT: "dead", ".rd/docker.sock": "denied"}, "engine-denied", "usermod"),
    ],
)
def test_no_engine_says_why_and_what_starts_it(home, monkeypatch, states, code, fix):
    monkeypatch.setattr(failures, "this_system", lambda: "linux")
    with pytest.raises(NoEngine) as caught:
        find(home, Sockets({home / path: state for path, state in states.items()}))
    assert (caught.value.code, caught.value.exit_code) == (code, 3)
    assert fix in str(caught.value.fix)


@pytest.mark.parametrize(
    ("directories", "fix"),
    [
        ([".colima/default"], "`colima start`"),
        ([".orbstack/run"], "`orb start`"),
        ([".docker/run"], "`open -a Docker`"),
        ([".local/share/containers/podman/machine"], "`podman machine start`"),
        ([".colima/default", ".rd"], "`rdctl start` or `podman machine start`"),
        ([], "`colima start`, `orb start`"),
    ],
)
def test_without_a_socket_the_one_product_that_is_installed_is_named(home, monkeypatch, directories, fix):
    monkeypatch.setattr(failures, "this_system", lambda: "macos")
    for directory in directories:
        (home / directory).mkdir(parents=True)
    with pytest.raises(NoEngine) as caught:
        find(home)
    assert caught.value.code == "no-engine"
    assert fix in str(caught.value.fix)


@pytest.mark.parametrize("host", ["nonsense://x", "http://[", "tcp://host:port"])
def test_a_docker_host_that_is_no_address_names_the_variable(home, host):
    with pytest.raises(NoEngine) as caught:
        sdk.connect(find(home, DOCKER_HOST=host), lambda: 15.0)
    assert (caught.value.code, caught.value.exit_code) == ("bad-endpoint", 3)
    assert "DOCKER_HOST" in caught.value.why


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("unix:///var/run/docker.sock", True),
        ("tcp://127.0.0.1:2375", True),
        ("http://localhost:2375", True),
        ("npipe:////./pipe/docker_engine", True),
        ("tcp://10.0.0.7:2376", False),
        ("ssh://me@build.example", False),
        ("tcp://localhost.example:2375", False),
    ],
)
def test_ports_are_this_machines_only_where_the_engine_is(url, local):
    assert Endpoint(url, "DOCKER_HOST").local is local


@pytest.fixture
def at(open_place):
    """Return where a socket may be: the directories of pytest can be too long for one."""
    return open_place / "s"


def listening(path):
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()
    return server


def test_a_listening_socket_answers_and_a_left_one_is_dead(at):
    assert endpoint.probe_socket(at) == "missing"
    with listening(at):
        assert endpoint.probe_socket(at) == "answers"
        assert endpoint.check_socket(Endpoint(f"unix://{at}", "DOCKER_HOST")) is None
    assert endpoint.probe_socket(at) == "dead"


@pytest.mark.parametrize(
    ("tail", "state"), [("no/such", "missing"), ("file", "dead"), ("file/x", "missing"), ("x" * 200, "missing")]
)
def test_what_is_no_socket_is_missing_or_dead(open_place, tail, state):
    (open_place / "file").write_text("")
    assert endpoint.probe_socket(open_place / tail) == state


def test_a_socket_that_may_not_be_opened_is_denied(open_place, as_ordinary_user):
    at = open_place / "s"
    with listening(at):
        at.chmod(0)
        with as_ordinary_user():
            assert endpoint.probe_socket(at) == "denied"


@pytest.mark.parametrize(("left", "code"), [(False, "no-socket"), (True, "engine-not-started")])
def test_a_named_socket_without_an_engine_says_who_named_it(at, left, code):
    if left:
        listening(at).close()
    with pytest.raises(NoEngine) as caught:
        endpoint.check_socket(Endpoint(f"unix://{at}", "context `x`"))
    assert caught.value.code == code
    assert "context `x`" in caught.value.why


WHERE = Endpoint("unix:///d.sock", "DOCKER_HOST")


@pytest.mark.parametrize("api", ["1.41", "1.44", "1.100", "2.0"])
def test_an_engine_that_is_new_enough_will_do(api):
    assert check_version(WHERE, {"ApiVersion": api}) is None


@pytest.mark.parametrize(
    ("version", "code"),
    [
        ({"ApiVersion": "1.40"}, "engine-too-old"),
        ({"ApiVersion": "1.9"}, "engine-too-old"),
        ({"ApiVersion": None}, "engine-error"),
        ({"ApiVersion": "new"}, "engine-error"),
        ({}, "engine-error"),
    ],
)
def test_an_engine_that_is_too_old_or_another_program_is_refused(version, code):
    with pytest.raises(NoEngine) as caught:
        check_version(WHERE, version)
    assert caught.value.code == code
