"""What engines, registries, ssh and TLS said, as recorded in the table of failures, and what is made of it."""

import http.server
import re
import threading

import docker.api.client
import docker.errors
import pytest
import requests

from planodev import unexpected
from planodev.engines import Container, PortTaken, endpoint, failures
from planodev.engines.docker import sdk, server
from planodev.engines.docker.client import CONFLICT, FORBIDDEN, NOT_FOUND, Refused
from planodev.engines.endpoint import Endpoint
from planodev.problems import Command, NoEngine
from planodev.project.identity import Owner

LINUX, WSL, CONTAINER, MACOS, WINDOWS = "linux", "wsl", "container", "macos", "windows"
DEFAULT = "unix:///var/run/docker.sock"
PIPE = "npipe:////./pipe/dockerDesktopLinuxEngine"
TCP = "tcp://build.example:2376"
SSH = "ssh://me@build.example:2222"


def said(when, text, url=DEFAULT, source="context `x`"):
    """Return the error that production code makes of a text, by the function that it calls."""
    if when.startswith("socket"):
        state = when.split()[1]
        return failures.nowhere(url) if state == "none" else failures.at_socket(state, url, source)
    where = Endpoint(url, source)
    unconnected = requests.exceptions.ConnectionError(text)
    calls = {
        "address": lambda: failures.unusable(url, source, docker.errors.DockerException(text)),
        "connect": lambda: failures.not_connected(where, unconnected),
        "ssh": lambda: failures.not_connected(Endpoint(SSH, source), unconnected),
        "lost": lambda: failures.lost(where, ConnectionError(text)),
        "timed out": lambda: failures.timed_out(where, text),
        "answer": lambda: failures.answered_badly(where, text),
        "far answer": lambda: failures.answered_badly(Endpoint(TCP, source), text),
        "greeting forbidden": lambda: failures.answered_badly(Endpoint(TCP, source), text, forbidden=True),
        "too old": lambda: failures.too_old(where, text, "1.41"),
        "forbidden": lambda: unexpected.explain(Refused(FORBIDDEN, text)),
        "request": lambda: unexpected.explain(Refused(500, text)),
        "pull": lambda: failures.not_pulled("postgres:99", text),
    }
    return calls[when]()


# The sockets of each product as contexts and DOCKER_HOST name them, and what starts it.
STARTS = [
    ("unix:///Users/u/.colima/default/docker.sock", MACOS, "`colima start`"),
    ("unix:///Users/u/.colima/work/docker.sock", MACOS, "`colima start work`"),
    ("unix:///home/u/.config/colima/default/docker.sock", LINUX, "`colima start`"),
    ("unix:///Users/u/.orbstack/run/docker.sock", MACOS, "`orb start`"),
    ("unix:///Users/u/.rd/docker.sock", MACOS, "`rdctl start`"),
    ("unix:///Users/u/.docker/run/docker.sock", MACOS, "`open -a Docker`"),
    (PIPE, WINDOWS, "`docker desktop start`"),
    ("unix:///home/u/.docker/desktop/docker.sock", LINUX, "`systemctl --user start docker-desktop`"),
    ("unix:///Users/u/.local/share/containers/podman/machine/podman.sock", MACOS, "`podman machine start`"),
    ("unix:///var/folders/a/T/podman/podman-machine-default-api.sock", MACOS, "`podman machine start`"),
    ("unix:///run/user/1000/podman/podman.sock", LINUX, "`systemctl --user enable --now podman.socket`"),
    ("unix:///run/podman/podman.sock", LINUX, "`sudo systemctl enable --now podman.socket`"),
    ("unix:///run/user/1000/docker.sock", LINUX, "`systemctl --user start docker`"),
    (DEFAULT, WSL, "WSL integration"),
    (DEFAULT, CONTAINER, "-v /var/run/docker.sock:/var/run/docker.sock"),
    (DEFAULT, MACOS, "`open -a Docker` to start Docker Desktop"),
    (DEFAULT, LINUX, "`sudo systemctl start docker`"),
]
STATES = {"dead": "engine-not-started", "missing": "no-socket", "none": "no-engine"}
ROWS = failures.table()["failure"]
EXAMPLES = [(row, when, text) for row in ROWS for when in row["when"] for text in row.get("examples", [""])]
BEFORE_THE_HANDSHAKE = {
    "socket none",
    "socket missing",
    "socket dead",
    "socket denied",
    "address",
    "connect",
    "ssh",
    "answer",
    "far answer",
    "lost",
    "timed out",
    "too old",
    "forbidden",
    "greeting forbidden",
}


@pytest.fixture(autouse=True)
def on_linux(monkeypatch):
    monkeypatch.setattr(failures, "this_system", lambda: LINUX)


@pytest.mark.parametrize(("row", "when", "text"), EXAMPLES, ids=lambda value: "" if isinstance(value, dict) else value)
def test_a_recorded_text_gives_its_own_row(row, when, text):
    assert failures.find(when, text) is row
    error = said(when, text)
    assert error.code == row["code"]
    assert isinstance(error, failures.kind_of(row["code"]))
    assert error.why
    # Each alternative of a row has an example, so each row can be read as it will be shown.
    assert not re.search(r"\$\w*(said|host|start|down|denied)|``|  ", f"{error.message} {error.why} {error.fix}")


@pytest.mark.parametrize("row", [row for row in ROWS if "match" in row], ids=lambda row: row["match"])
def test_every_alternative_of_a_pattern_has_an_example(row):
    """Whoever adds words to a row records where they were seen."""
    for alternative in _alternatives(row["match"]):
        assert any(re.search(alternative, text, re.IGNORECASE) for text in row["examples"]), alternative


def _alternatives(pattern):
    """Return the parts of a pattern between the bars that stand outside of all brackets."""
    depth, parts = 0, [""]
    for before, character in zip(" " + pattern, pattern, strict=False):
        depth += (character == "(") - (character == ")") if before != "\\" else 0
        if character == "|" and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def test_every_row_names_its_source_and_every_code_has_a_row():
    assert all(row["source"] for row in [*ROWS, *failures.table()["product"]])
    assert {row["code"] for row in ROWS} == set(failures.table()["codes"])


@pytest.mark.parametrize(("url", "system", "fix"), STARTS)
def test_a_product_that_is_not_running_says_what_starts_it(monkeypatch, url, system, fix):
    monkeypatch.setattr(failures, "this_system", lambda: system)
    for state, code in STATES.items():
        error = said(f"socket {state}", "", url)
        assert error.code == code
        assert fix in str(error.fix)


@pytest.mark.parametrize(
    ("url", "source", "system", "fix"),
    [
        ("unix:///run/user/1000/docker.sock", "DOCKER_HOST", LINUX, "`unset DOCKER_HOST`"),
        ("unix:///elsewhere/docker.sock", "rootless Docker", LINUX, "without `sudo`"),
        ("unix:///run/podman/podman.sock", "Podman", LINUX, "$XDG_RUNTIME_DIR/podman/podman.sock"),
        ("unix:///Users/u/.docker/run/docker.sock", "DOCKER_HOST", MACOS, "docker context use"),
        (DEFAULT, "default socket", CONTAINER, "--group-add $(stat -c %g /var/run/docker.sock)"),
        (DEFAULT, "default socket", LINUX, "sudo usermod -aG docker $USER"),
        (DEFAULT, "default socket", WSL, "sudo usermod -aG docker $USER"),
    ],
)
def test_a_socket_that_this_user_may_not_use_says_how_to_get_at_it(monkeypatch, url, source, system, fix):
    monkeypatch.setattr(failures, "this_system", lambda: system)
    error = said("socket denied", "", url, source)
    assert error.code == "engine-denied"
    assert fix in str(error.fix)
    assert source in error.why


@pytest.mark.parametrize(
    ("when", "text", "url", "fix"),
    [
        ("answer", "(2, 'CreateFile', 'The system cannot find the file specified.')", PIPE, "`docker desktop start`"),
        (
            "answer",
            "(2, 'CreateFile', 'The system cannot find the file specified.')",
            "npipe:////./pipe/podman-machine-default",
            "`podman machine start`",
        ),
        ("answer", "(5, 'CreateFile', 'Access is denied.')", PIPE, "net localgroup docker-users $env:USERNAME"),
        ("connect", "ProxyError", "tcp://build.example:2376", "NO_PROXY=build.example`"),
        ("ssh", "Authentication failed.", SSH, "`ssh -p 2222 me@build.example docker version`"),
        ("pull", "received unexpected HTTP status: 503", DEFAULT, "`docker pull postgres:99`"),
        ("pull", "manifest unknown", DEFAULT, "`planodev up --image postgres:16`"),
    ],
)
def test_a_fix_names_what_it_is_about(monkeypatch, when, text, url, fix):
    if url.startswith("npipe"):
        monkeypatch.setattr(failures, "this_system", lambda: WINDOWS)
    assert fix in str(said(when, text, url).fix)


@pytest.mark.parametrize("row", [row for row in ROWS if BEFORE_THE_HANDSHAKE & set(row["when"])])
def test_before_the_handshake_every_failure_means_that_there_is_no_engine(row):
    assert failures.kind_of(row["code"]) is NoEngine


def test_a_planodev_command_in_a_fix_is_a_structure():
    assert Command("up", "--port", "N") in failures.refused("port is already allocated").fix.parts


@pytest.mark.parametrize("at", sorted({when for row in ROWS for when in row["when"] if "socket" not in when}))
@pytest.mark.parametrize("text", ["", "something new", "{said} {0} $said ${x} $$"])
def test_whatever_is_said_finds_a_row(at, text):
    error = said(at, text)
    assert error.message
    assert text in error.why
    assert str(error.fix)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\n  b\tc\n", "a b c"),
        ("the host (veth1) <=> sandbox", "the host (veth1) <=> sandbox"),
        ("502 <h1>Bad\n gateway</h1>", "502 Bad gateway"),
        ("\x1b[31mred\x1b[0m\x00\x07 \u202eback", "[31mred [0m back"),
    ],
)
def test_the_words_of_an_engine_are_shown_in_one_line_without_tags_and_control_characters(text, shown):
    assert failures.readable(text) == shown


def test_the_words_of_an_engine_are_not_shown_endlessly():
    assert len(failures.refused("x" * 10_000).why) < failures.LONGEST + 50


@pytest.mark.parametrize(
    ("platform", "version", "contained", "system"),
    [
        (
            "linux",
            "Linux version 5.15.90.1-microsoft-standard-WSL2 (oe-user@oe-host) (x86_64-msft-linux-gcc)",
            False,
            WSL,
        ),
        ("linux", "Linux version 4.4.0-19041-Microsoft (Microsoft@Microsoft.com) (gcc version 5.4.0)", False, WSL),
        ("linux", "Linux version 5.15.90.1-microsoft-standard-WSL2 (oe-user@oe-host)", True, CONTAINER),
        ("linux", "Linux version 6.5.0-14-generic (buildd@lcy02-amd64-028) (gcc 13.2.0)", False, LINUX),
        ("linux", "", False, LINUX),
        ("darwin", "", False, MACOS),
        ("win32", "", False, WINDOWS),
    ],
)
def test_the_system_is_told_by_its_kernel(platform, version, contained, system):
    assert failures.system_of(platform, version, contained=contained) == system


def test_a_context_names_its_product_and_not_the_default_engine(open_place):
    where = Endpoint(f"unix://{open_place}/.colima/work/docker.sock", "context `colima-work`")
    with pytest.raises(NoEngine) as caught:
        endpoint.check_socket(where)
    assert caught.value.code == "no-socket"
    assert str(caught.value.fix).startswith("`colima start work`; or choose another")
    assert "context `colima-work`" in caught.value.why


class Refusing:
    def __init__(self, text):
        self.text = text

    def start(self, _):
        raise Refused(500, self.text)


@pytest.mark.parametrize(
    ("text", "raised"),
    [
        ("Bind for 127.0.0.1:5432 failed: port is already allocated", PortTaken),
        ("bind: An attempt was made to access a socket in a way forbidden by its access permissions.", PortTaken),
        ("cannot expose privileged port 80", Refused),
        ("iptables: No chain/target/match by that name", Refused),
    ],
)
def test_only_a_port_that_is_taken_makes_up_look_for_another(text, raised):
    owner = Owner("1", "/p", "1:2")
    container = Container("7", "x", "exited", "postgres:16", "", None, (), None, owner)
    with pytest.raises(raised, match=text.rsplit(" ", 1)[0]):
        server.start(Refusing(text), container, on_podman=False)


def connecting(url):
    with pytest.raises(NoEngine) as caught:
        sdk.connect(Endpoint(url, "context `far`"), lambda: 15.0)
    return caught.value


def test_an_endpoint_over_ssh_without_paramiko_says_what_to_install(monkeypatch):
    monkeypatch.delattr(docker.api.client, "SSHHTTPAdapter", raising=False)
    error = connecting(SSH)
    assert (error.code, "pip install paramiko" in str(error.fix)) == ("bad-endpoint", True)


def ssh_error(text):
    return type("SSHException", (Exception,), {"__module__": "paramiko.ssh_exception"})(text)


@pytest.mark.parametrize(
    ("error", "fix"),
    [
        (ssh_error("Server 'build.example' not found in known_hosts"), "`ssh -p 2222 me@build.example docker version`"),
        (ssh_error("Authentication failed."), "`ssh-copy-id`"),
        (OSError(-2, "Name or service not known"), "check the address"),
    ],
)
def test_what_ssh_says_in_the_constructor_is_no_crash(monkeypatch, error, fix):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(docker.api.client, "SSHHTTPAdapter", fail, raising=False)
    found = connecting(SSH)
    assert (found.code, fix in str(found.fix)) == ("engine-unreachable", True)


def test_a_mistake_of_planodevs_own_stays_one(monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("a bug")

    monkeypatch.setattr(docker.api.client, "SSHHTTPAdapter", fail, raising=False)
    with pytest.raises(RuntimeError):
        sdk.connect(Endpoint(SSH, "context `far`"), lambda: 15.0)


def test_a_pipe_that_is_not_there_is_an_engine_that_is_not_started(monkeypatch):
    def fail(self, *_, **__):
        raise type("error", (Exception,), {"__module__": "pywintypes"})(2, "CreateFile", "Fichier introuvable.")

    monkeypatch.setattr(requests.Session, "request", fail)
    assert connecting("tcp://127.0.0.1:1").code == "engine-not-started"


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(403)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<html><head><title>Blocked</title></head><body>by the proxy</body></html>")

    def log_message(self, *_): ...


def test_a_proxy_that_answers_in_the_engines_place_is_named():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        error = connecting(f"tcp://127.0.0.1:{server.server_address[1]}")
        server.shutdown()
    assert (error.code, "NO_PROXY=127.0.0.1" in str(error.fix)) == ("engine-error", True)
    assert error.why.endswith("403 GET /version: Blocked by the proxy")


PAGE = "403 GET /_ping: <html><body><h1>403 Forbidden</h1> Request forbidden by administrative rules. </body></html>"


@pytest.mark.parametrize(
    "error",
    [
        failures.answered_badly(Endpoint(DEFAULT, "default socket"), PAGE, forbidden=True),
        failures.refused(PAGE, forbidden=True),
    ],
)
def test_a_page_of_a_proxy_for_the_socket_is_told_from_one_for_the_web(error):
    assert error.code == "engine-forbids"
    assert error.why.endswith("403 GET /_ping: 403 Forbidden Request forbidden by administrative rules.")
    assert "CONTAINERS=1" in str(error.fix)


def test_what_an_engine_says_does_not_make_it_one_that_forbids_or_is_lost():
    words = "403 GET /x: the answer was cut off within 15 seconds"
    assert said("request", words).code == "engine-refused"
    assert said("answer", words).code == "engine-error"
    assert said("connect", words).code == "engine-unreachable"


def test_a_container_that_is_being_removed_counts_as_gone():
    assert Refused(500, "RWLayer of container ccd2e75268fb is unexpectedly nil").status == NOT_FOUND
    assert Refused(409, "can not get logs from container which is dead or marked for removal").status == NOT_FOUND


def test_a_name_that_is_taken_is_a_conflict_in_podmans_words_too():
    said = (
        'container create: creating container storage: the container name "plano-postgres" is already in use by '
        "a9f8568932c0. You have to remove that container to be able to reuse that name: that name is already in use"
    )
    assert Refused(500, said).status == CONFLICT
    assert Refused(500, "listen tcp 127.0.0.1:5432: bind: address already in use").status == 500
