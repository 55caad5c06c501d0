"""Which engine, what is wrong with it, where it listens, and that both ways to it say the same."""

from __future__ import annotations

import http.server
import os
import shutil
import socket
import socketserver
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.ports import free_port
from tests.support.requirements import as_root, require

pytestmark = pytest.mark.docker


@contextmanager
def tcp_way_to_the_engine(address="127.0.0.1"):
    """Carry a TCP port of the loopback to the engine's socket, as a remote context would have one."""

    class Carry(socketserver.BaseRequestHandler):
        def handle(self):
            with socket.socket(socket.AF_UNIX) as engine:
                engine.connect("/var/run/docker.sock")
                back = threading.Thread(target=pump, args=(engine, self.request), daemon=True)
                back.start()
                pump(self.request, engine)
                back.join()

    def pump(source, target):
        try:
            while piece := source.recv(65536):
                target.sendall(piece)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address, daemon_threads = True, True

    with Server((address, 0), Carry) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"tcp://{address}:{server.server_address[1]}"
        server.shutdown()


@pytest.mark.slow
def test_the_whole_job_works_over_the_sdk_as_well(project):
    with tcp_way_to_the_engine() as url:
        project("up", DOCKER_HOST=url)
        project.store("kept")
        done = project("up", "--json", DOCKER_HOST=url).json["data"]
        assert (done["engine"]["endpoint"], done["engine"]["source"]) == (url, "DOCKER_HOST")
        project("verify", DOCKER_HOST=url)
        project("down", "--keep-data", DOCKER_HOST=url)
    project("up")
    assert project.stored() == ["kept"]


@pytest.mark.slow
def test_an_engine_on_another_machine_is_proved_from_a_container_there(project):
    # 127.0.0.2 is this machine too, but planodev cannot know that: it logs in from the probe container alone.
    with tcp_way_to_the_engine("127.0.0.2") as url:
        assert project("up", "--json", DOCKER_HOST=url).json["data"]["engine"]["local"] is False
        project("up", DOCKER_HOST=url)
        project("verify", DOCKER_HOST=url)
        refused = project("up", "--plano", "native", "--json", code=4, DOCKER_HOST=url)
        assert refused.error == "native-needs-local-engine"


def answer(lane, name, command, **more):
    """Return what a command gives; once in thousands the engine (20.10) loses all that one says which ends at once."""
    for _ in range(3):
        code, out, err = lane.exec_run(name, command, {"A": "b"}, **more)
        if out or err:
            break
    return code, out, err


@pytest.mark.slow
def test_both_lanes_give_the_same_answers(project):
    from planodev.engines import NotToldToGo, endpoint
    from planodev.engines.docker import client, quick, sdk

    project("up")
    name = project.status()["container"]
    where = endpoint.Endpoint("unix:///var/run/docker.sock", "test")
    ours, theirs = quick.QuickClient(where, lambda: 15.0), sdk.connect(where, lambda: 15.0)

    def settled(items):
        there = (c for c in items if c["State"] in ("created", "running"))  # others may just be removed
        return sorted((c["Id"], c["Names"], c["State"], str(c["Ports"])) for c in there)

    assert settled(ours.containers(all=True)) == settled(theirs.containers(all=True))
    assert {v["Name"] for v in ours.volumes()["Volumes"]} == {v["Name"] for v in theirs.volumes()["Volumes"]}
    assert ours.inspect_container(name) == theirs.inspect_container(name)
    assert ours.inspect_network("bridge")["Id"] == theirs.inspect_network("bridge")["Id"]
    assert ours.find_image("postgres:16") == theirs.find_image("postgres:16")
    assert ours.find_image("nobody/nothing:1") is None is theirs.find_image("nobody/nothing:1")
    assert ours.version()["ApiVersion"] == theirs.version()["ApiVersion"]
    assert ours.version()["Version"] == theirs.version()["Version"]
    command = ["sh", "-c", "echo $A; echo err >&2; exit 3"]
    for lane in (ours, theirs):
        assert answer(lane, name, command) == (3, b"b\n", b"err\n")
        assert answer(lane, name, command, go=lambda: True) == (3, b"b\n", b"err\n")
        with pytest.raises(NotToldToGo):
            lane.exec_run(name, ["touch", "/tmp/never"], {}, go=lambda: False)
        assert lane.exec_run(name, ["test", "-e", "/tmp/never"], {})[0] == 1
        with pytest.raises(client.Refused) as refused:
            lane.inspect_container("nothing-of-this-name")
        assert refused.value.status == 404


def test_a_current_context_is_used_and_a_missing_one_is_no_reason_to_fall_back(project, tmp_path):
    config = tmp_path / "docker"
    variables = {"DOCKER_CONFIG": str(config)}
    from docker.context import Context

    with pytest.MonkeyPatch.context() as patch:
        (config).mkdir()
        (config / "config.json").write_text('{"currentContext": "here"}')
        patch.setenv("DOCKER_CONFIG", str(config))
        context = Context("here", host="unix:///var/run/docker.sock")
        context.set_endpoint("docker", "unix:///var/run/docker.sock")
        context.save()
    assert project("up", "--json", **variables).json["data"]["engine"]["source"] == "context `here`"
    failed = project("up", "--json", code=3, DOCKER_CONTEXT="elsewhere", **variables)
    assert (failed.error, "docker context ls" in failed.json["error"]["fix"]) == ("no-context", True)


class Broken(http.server.BaseHTTPRequestHandler):
    answer, api = 500, "1.41"

    def do_GET(self):
        self.send_response(self.answer)
        self.send_header("Api-Version", self.api)
        self.end_headers()
        self.wfile.write(b'{"message": "the disk is gone"}')

    def log_message(self, *_): ...


@contextmanager
def fake_engine(path, **values):
    with socketserver.ThreadingUnixStreamServer(str(path), type("Handler", (Broken,), values)) as server:
        server.handle_error = lambda *_: None
        Broken.address_string = lambda _: "unix"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"unix://{path}"
        server.shutdown()


def test_each_way_to_have_no_engine_has_its_own_fix(project, tmp_path):
    def fails(code, url):
        failed = project("up", "--json", code=3, DOCKER_HOST=url)
        assert failed.error == code
        assert failed.json["error"]["fix"]
        assert project("status", "--json", DOCKER_HOST=url).json["warnings"][0]["code"] == code
        return failed.json["error"]["fix"]

    dead = tmp_path / "dead.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(dead))
    fixes = [
        fails("no-socket", f"unix://{tmp_path}/none.sock"),
        fails("engine-not-started", f"unix://{dead}"),
        fails("engine-unreachable", f"tcp://127.0.0.1:{free_port()}"),
        fails("bad-endpoint", "gopher://x"),
    ]
    with fake_engine(tmp_path / "error.sock") as url:
        fixes.append(fails("engine-error", url))
    with fake_engine(tmp_path / "old.sock", answer=200, api="1.24") as url:
        fixes.append(fails("engine-too-old", url))
    assert len(set(fixes)) == len(fixes)
    assert list(project.path.iterdir()) == []


def test_a_socket_without_permission_is_not_called_absent(project, tmp_path):
    as_root()
    require("setpriv")
    import planodev

    for directory in [tmp_path, *tmp_path.parents]:
        directory.chmod(directory.stat().st_mode | 0o755)
    with fake_engine(tmp_path / "denied.sock", answer=200) as url:
        (tmp_path / "denied.sock").chmod(0o600)
        code = (
            "from planodev.engines import endpoint as e; from planodev.problems import NoEngine\n"
            f"try: e.check_socket(e.Endpoint({url!r}, 'DOCKER_HOST'))\n"
            "except NoEngine as error: print(error.code, error.exit_code, error.fix)"
        )
        # As another user, who can read neither root's Python nor its checkout: a copy, with the system's Python.
        copy = tmp_path / "copy"
        shutil.copytree(Path(planodev.__file__).parent, copy / "planodev")
        subprocess.run(["chmod", "-R", "a+rX", str(copy)], check=True)
        python = shutil.which("python3", path="/usr/bin") or sys.executable
        done = subprocess.run(
            ["setpriv", "--reuid=65534", "--clear-groups", python, "-c", code],
            cwd=copy,
            env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.stdout.startswith("engine-denied 3"), done.stderr
    assert "usermod -aG docker" in done.stdout


def test_it_listens_on_loopback_and_the_bridge_and_not_on_the_network_around(project, api):
    as_root()
    require("ip")
    project("up")
    bindings = project.container()["HostConfig"]["PortBindings"]["5432/tcp"]
    addresses = [b["HostIp"] for b in bindings]
    assert addresses[0] == "127.0.0.1"
    assert len(addresses) == 2
    assert "0.0.0.0" not in addresses
    port = project.status()["port"]
    name = f"pd{os.getpid() % 100000}"
    ours, theirs = "10.213.7.1", "10.213.7.2"
    commands = [
        f"ip netns add {name}",
        f"ip link add {name}a type veth peer name {name}b netns {name}",
        f"ip addr add {ours}/24 dev {name}a",
        f"ip link set {name}a up",
        f"ip -n {name} addr add {theirs}/24 dev {name}b",
        f"ip -n {name} link set {name}b up",
    ]
    # A listener on every address shows that the neighbour can reach this machine at all.
    code = "import socket,sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 3).close()"
    try:
        for command in commands:
            subprocess.run(command.split(), check=True)
        with socket.socket() as open_to_all:
            open_to_all.bind(("0.0.0.0", 0))
            open_to_all.listen()
            for target, expected in ((open_to_all.getsockname()[1], 0), (port, 1)):
                neighbour = ["ip", "netns", "exec", name, sys.executable, "-c", code, ours, str(target)]
                done = subprocess.run(neighbour, capture_output=True, text=True, check=False)
                assert done.returncode == expected, (target, done.stderr)
            assert "refused" in done.stderr
    finally:
        subprocess.run(["ip", "netns", "del", name], check=False)
        subprocess.run(["ip", "link", "del", f"{name}a"], check=False, capture_output=True)
