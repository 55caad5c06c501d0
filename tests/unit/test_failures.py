"""Every row of the table of failures is reached by a text that was recorded, through the function that is called."""

import http.server
import re
import threading
from pathlib import Path

import docker.api.client
import docker.errors
import pytest
import requests

from planodev.cli import main
from planodev.engines import Container, PortTaken, docker_client, endpoint, failures
from planodev.engines.docker_changes import Changes
from planodev.engines.docker_terms import NOT_FOUND, Refused
from planodev.engines.endpoint import Endpoint
from planodev.problems import NoEngine
from planodev.project.identity import Owner

LINUX, WSL, CONTAINER, MACOS, WINDOWS = "linux", "wsl", "container", "macos", "windows"
DEFAULT = "unix:///var/run/docker.sock"
PIPE = "npipe:////./pipe/dockerDesktopLinuxEngine"
SSH = "ssh://me@build.example:2222"


def said(at, text, url, source="context `x`"):
    """Return the error that production code makes of a text, by the function that it calls."""
    if at == "socket":
        return failures.nowhere(url) if text == "none" else failures.at_socket(text, url, source)
    if at == "address":
        return failures.unusable(url, source, docker.errors.DockerException(text))
    if at == "connect":
        return failures.lost(Endpoint(url, source), requests.exceptions.ConnectionError(text))
    if at == "answer":
        return failures.answered_badly(Endpoint(url, source), text)
    if at == "pull":
        return failures.not_pulled("postgres:99", text)
    return main.unexpected(Refused(500, text))


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


def recorded():
    """Yield (where, what was said, address, system, code, a part of the fix)."""
    for state, code in STATES.items():
        yield from (("socket", state, url, system, code, fix) for url, system, fix in STARTS)
    text = Path(__file__).with_name("recorded_failures.txt").read_text(encoding="utf-8")
    for entry in text.split("\n\n")[1:]:
        head, words = entry.strip().split("\n", 1)
        at, url, system, code, fix = head.split(" | ")
        yield at, words, "" if url == "-" else url, system, code, fix


RECORDED = list(recorded())


@pytest.fixture(autouse=True)
def rows(monkeypatch):
    """The rows that were found."""
    found = []
    real = failures.find

    def find(seen):
        found.append(real(seen))
        return found[-1]

    monkeypatch.setattr(failures, "find", find)
    monkeypatch.setattr(failures, "this_system", lambda: LINUX)
    return found


@pytest.mark.parametrize("entry", RECORDED, ids=" ".join)
def test_a_recorded_text_gives_its_row(monkeypatch, rows, entry):
    at, text, url, system, code, fix = entry
    monkeypatch.setattr(failures, "this_system", lambda: system)
    error = said(at, text, url)
    assert [row.code for row in rows] == [error.code] == [code]
    assert fix in error.fix
    assert error.why
    assert isinstance(error, failures.CODES[code][0])
    assert not re.search(r"\{|``", f"{error.message} {error.fix}")


def test_every_row_is_reached_and_none_is_shadowed(monkeypatch, rows):
    for at, text, url, system, *_ in RECORDED:
        monkeypatch.setattr(failures, "this_system", lambda system=system: system)
        said(at, text, url)
    assert [row for row in failures.TABLE if row not in rows] == []
    assert len(set(failures.TABLE)) == len(failures.TABLE)


def test_every_code_is_used_and_known():
    assert {row.code for row in failures.TABLE} == set(failures.CODES)


@pytest.mark.parametrize("row", [row for row in failures.TABLE if not {"request", "pull"} & set(row.at.split())])
def test_before_the_handshake_every_failure_means_that_there_is_no_engine(row):
    assert failures.CODES[row.code][0] is NoEngine


@pytest.mark.parametrize("at", ["address", "connect", "answer", "request", "pull"])
@pytest.mark.parametrize("text", ["", "something new", "{said} {0}"])
def test_whatever_is_said_finds_a_row(at, text):
    error = said(at, text, DEFAULT)
    assert error.message
    assert error.fix


def test_the_words_of_the_engine_are_shown_in_one_line_without_tags_and_not_endlessly():
    assert failures.not_pulled("x", "a\n  b\tc\n").why == "a b c"
    assert failures.refused("the host (veth1) <=> sandbox").why.endswith("(veth1) <=> sandbox")
    assert failures.answered_badly(Endpoint(DEFAULT, "x"), "502 <h1>Bad\n gateway</h1>").why == "502 Bad gateway"
    assert len(failures.refused("x" * 10_000).why) < 1000


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


def test_a_context_names_its_product_and_not_the_default_engine():
    where = Endpoint("unix:///nowhere/.colima/work/docker.sock", "context `colima-work`")
    with pytest.raises(NoEngine) as caught:
        endpoint.check_socket(where)
    assert caught.value.code == "no-socket"
    assert caught.value.fix.startswith("`colima start work`; or choose another")
    assert "context `colima-work`" in caught.value.why


def test_commands_are_those_of_windows_there(monkeypatch):
    monkeypatch.setattr(failures, "this_system", lambda: WINDOWS)
    url = "tcp://build.example:2376"
    assert "`$env:NO_PROXY = 'build.example'`" in said("connect", "ProxyError", url).fix
    assert "`Remove-Item Env:DOCKER_TLS_VERIFY`" in said("connect", "WRONG_VERSION_NUMBER", url).fix


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
        Changes(Refusing(text), Endpoint(DEFAULT, "x")).start(container)


def connecting(url):
    with pytest.raises(NoEngine) as caught:
        docker_client.connect(Endpoint(url, "context `far`"), 15)
    return caught.value


def test_an_endpoint_over_ssh_without_paramiko_says_what_to_install(monkeypatch):
    monkeypatch.delattr(docker.api.client, "SSHHTTPAdapter", raising=False)
    error = connecting(SSH)
    assert (error.code, "pip install paramiko" in error.fix) == ("bad-endpoint", True)


def ssh_error(text):
    return type("SSHException", (Exception,), {"__module__": "paramiko.ssh_exception"})(text)


@pytest.mark.parametrize(
    ("error", "fix"),
    [
        (ssh_error("Server 'build.example' not found in known_hosts"), "`ssh -p 2222 me@build.example` once"),
        (ssh_error("Authentication failed."), "`ssh-copy-id"),
        (OSError(-2, "Name or service not known"), "check the name"),
    ],
)
def test_what_ssh_says_in_the_constructor_is_no_crash(monkeypatch, error, fix):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(docker.api.client, "SSHHTTPAdapter", fail, raising=False)
    found = connecting(SSH)
    assert (found.code, fix in found.fix) == ("engine-unreachable", True)


def test_a_mistake_of_planodevs_own_stays_one(monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("a bug")

    monkeypatch.setattr(docker.api.client, "SSHHTTPAdapter", fail, raising=False)
    with pytest.raises(RuntimeError):
        docker_client.connect(Endpoint(SSH, "context `far`"), 15)


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
    assert (error.code, "NO_PROXY=127.0.0.1" in error.fix) == ("engine-error", True)
    assert error.why.endswith("403 GET /version: Blocked by the proxy")


def test_a_container_that_is_being_removed_counts_as_gone():
    assert Refused(500, "RWLayer of container ccd2e75268fb is unexpectedly nil").status == NOT_FOUND
