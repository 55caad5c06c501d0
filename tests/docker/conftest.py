"""Real projects on a real engine: each test gets a directory, and what it leaves in the engine is removed."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import docker
import psycopg
import pytest

from tests.plano.conftest import planoai  # noqa: F401  a fixture
from tests.support import schemas

from . import evidence

LABEL = "dev.planodev.project"
MADE_HERE = "planodev-tests"  # a label of images, with the number of the process
KEY = "sk-ant-of-the-env-file"


@dataclass
class Run:
    code: int
    out: str
    err: str

    @property
    def json(self):
        document = json.loads(self.out)
        schemas.hold(document)
        return document

    @property
    def error(self):
        return self.json["error"]["code"]


def usual_signals():
    """Have a new process end by what `nohup` and a job in the background would have it ignore."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


class Project:
    """A directory, and the command line in it; `state` is where planodev keeps its locks."""

    def __init__(self, path: Path, state: Path, api: docker.APIClient) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.api = api
        foreign = ("PLANODEV_", "DB_", "DATABASE_URL")
        clean = {k: v for k, v in os.environ.items() if not k.endswith("_API_KEY") and not k.startswith(foreign)}
        self.environment = {**clean, "XDG_STATE_HOME": str(state), "LC_ALL": "C.UTF-8", "COLUMNS": "80"}

    def command(self, *arguments):
        return [sys.executable, "-m", "planodev", "-C", str(self.path), *arguments]

    def __call__(self, *arguments, code=0, **variables):
        """Run planodev to its end; `code` is what it must exit with, None for any."""
        done = subprocess.run(
            self.command(*arguments),
            env={**self.environment, **variables},
            cwd=self.path.parent,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=180,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        assert code is None or done.returncode == code, f"exit {done.returncode}\n{done.stdout}{done.stderr}"
        return Run(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments, **variables):
        return subprocess.Popen(
            self.command(*arguments),
            env={**self.environment, **variables},
            cwd=self.path.parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            preexec_fn=usual_signals,  # noqa: PLW1509  it takes no lock
        )

    @property
    def env(self):
        from dotenv import dotenv_values

        return dict(dotenv_values(self.path / ".env", interpolate=False))

    def write(self, name, text):
        (self.path / name).write_text(text)
        return self

    def change(self, name, old, new):
        """Replace in a file what must be there."""
        text = (self.path / name).read_text()
        changed = re.sub(old, lambda _: new, text, flags=re.MULTILINE)
        assert changed != text, f"`{old}` is not in `{name}`"
        return self.write(name, changed)

    def status(self):
        return self("status", "--json").json["data"]

    def container(self):
        return self.api.inspect_container(self.status()["container"])

    def engine(self):
        """Return all that the engine has of this project, to compare before and after; others may be at work there."""
        label = {"label": f"dev.planodev.path={self.path}"}
        containers = {
            item["Id"]: (item["Names"], self.api.inspect_container(item["Id"])["State"])
            for item in self.api.containers(all=True, filters=label)
            if "dev.planodev.witness" not in item["Labels"]
        }
        return containers, sorted(volume["Name"] for volume in self.api.volumes(filters=label)["Volumes"] or [])

    def login(self, **changed):
        from urllib.parse import unquote

        values = self.env
        way = {
            "host": "127.0.0.1",
            "port": values["DB_PORT"],
            "user": values["DB_USER"],
            "password": unquote(values["DB_PASS"]),
            "dbname": values["DB_NAME"],
            "sslmode": "disable",
            "autocommit": True,
        }
        return psycopg.connect(**{**way, **changed})

    def store(self, *keys):
        """Store conversations as Plano does."""
        with self.login() as session:
            for key in keys:
                session.execute(
                    "INSERT INTO conversation_states (response_id, input_items, created_at, model, provider)"
                    " VALUES (%s, '[]', 1, 'm', 'p')",
                    [key],
                )

    def stored(self):
        with self.login() as session:
            return [row[0] for row in session.execute("SELECT response_id FROM conversation_states ORDER BY 1")]


@pytest.fixture(scope="session")
def api():
    client = docker.APIClient(version="auto", timeout=60)
    yield client
    for image in client.images(filters={"label": f"{MADE_HERE}={os.getpid()}"}):  # no container has them any more
        with contextlib.suppress(docker.errors.APIError):
            client.remove_image(image["Id"], force=True)


def make_image(api, name, tag, *changes, content=b"", place="/opt"):
    """Make an image of the same PostgreSQL with another id, which is removed when all tests have ended.

    Args:
        api: the engine.
        name: its repository.
        tag: its tag.
        changes: instructions of a Dockerfile.
        content: a tar archive to unpack.
        place: the directory for it.

    """
    usual = ['ENTRYPOINT ["docker-entrypoint.sh"]', 'CMD ["postgres"]', f"LABEL {MADE_HERE}={os.getpid()}"]
    number = api.create_container("postgres:16", entrypoint=["true"])["Id"]
    if content:
        api.put_archive(number, place, content)
    api.commit(number, name, tag, changes=[*usual, *changes])
    api.remove_container(number, v=True)
    return f"{name}:{tag}"


@pytest.fixture
def make_project(tmp_path, api):
    made = []

    def make(*parts):
        made.append(Project(tmp_path.joinpath(*parts or ("shop",)), tmp_path / "state", api))
        return made[-1]

    yield make
    remove_all(api, str(tmp_path))


@pytest.fixture
def project(make_project):
    return make_project()


@pytest.fixture(scope="module")
def one_project(tmp_path_factory, api):
    """Return a project that is up, for a whole module; `shop` lends it out."""
    place = tmp_path_factory.mktemp("one")
    made = Project(place / "shop", place / "state", api)
    made.environment["PLANODEV_NAME"] = f"plano-one-{os.urandom(4).hex()}"  # which nobody else takes meanwhile
    made("up", "--model", "anthropic/claude-sonnet-4-5", "--save-keys", ANTHROPIC_API_KEY=KEY)
    yield made
    remove_all(api, str(place))


@pytest.fixture
def shop(one_project):
    """Return the module's project, with a database, a key and a model that is stored; its files are put back."""
    files = {path: path.read_bytes() for path in one_project.path.iterdir()}
    yield one_project
    for path in one_project.path.iterdir():
        if path not in files:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    for path, content in files.items():
        path.write_bytes(content)


def remove_all(api, prefix):
    """Remove what planodev made for directories below a prefix."""
    for item in api.containers(all=True, filters={"label": LABEL}):
        if item["Labels"].get("dev.planodev.path", "").startswith(prefix):
            with contextlib.suppress(docker.errors.APIError):
                api.remove_container(item["Id"], force=True, v=True)
    for item in api.volumes(filters={"label": LABEL})["Volumes"] or []:
        if item["Labels"].get("dev.planodev.path", "").startswith(prefix):
            with contextlib.suppress(docker.errors.APIError):
                api.remove_volume(item["Name"])


@pytest.fixture
def snapshot(api, tmp_path):
    """Return all that this test has in the engine, to compare before and after; others are at work there."""

    def take(*strangers):
        return evidence.engine(api, str(tmp_path)), [api.inspect_container(number)["State"] for number in strangers]

    return take


@pytest.fixture
def stranger(api):
    """Make containers that are not planodev's; they are removed at the end."""
    made = []

    def make(name, **config):
        number = api.create_container_from_config(
            {"Image": "postgres:16", "Entrypoint": ["sleep", "300"], **config}, name
        )["Id"]
        made.append(number)
        api.start(number)
        return number

    yield make
    for number in made:
        with contextlib.suppress(docker.errors.APIError):
            api.remove_container(number, force=True, v=True)


@contextlib.contextmanager
def listening(port=0, address="127.0.0.1"):
    """Hold a port of this machine."""
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((address, port))
        server.listen()
        yield server.getsockname()[1]


def free_port():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


def free_ports():
    """Return a free port whose next one is free as well, of those that no connection gets by chance."""
    while True:
        port = random.randrange(20000, 32000, 2)
        with contextlib.suppress(OSError), socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", port))
            other.bind(("127.0.0.1", port + 1))
            return port


def on_terminal(project, *arguments, answers=(), keys=None, timeout=60):
    """Run at a pseudo-terminal, typing each answer when its question has been asked; returns (code, screen)."""
    import pty

    pid, screen = pty.fork()
    if pid == 0:
        os.chdir(project.path.parent)
        os.environ.clear()
        os.environ.update({**project.environment, "TERM": "xterm", **(keys or {})})
        command = project.command(*arguments)
        os.execv(command[0], command)
    shown, waiting, end = b"", list(answers), time.monotonic() + timeout
    with contextlib.suppress(OSError):
        while True:
            if not select.select([screen], [], [], max(0.0, end - time.monotonic()))[0]:
                os.kill(pid, signal.SIGKILL)  # it waits for an answer that nobody gives
                break
            piece = os.read(screen, 65536)
            if not piece:
                break
            shown += piece
            if waiting and waiting[0][0].encode() in shown:
                os.write(screen, waiting.pop(0)[1].encode())
    _, state = os.waitpid(pid, 0)
    os.close(screen)
    return os.waitstatus_to_exitcode(state), shown.decode(errors="replace")


def require(program):
    """Skip, naming what is missing; where CI is set that is a failure."""
    if shutil.which(program):
        return
    if os.environ.get("CI"):
        pytest.fail(f"`{program}` is missing, and nothing may be skipped here")
    pytest.skip(f"`{program}` is not installed")


def as_root():
    if os.geteuid():
        if os.environ.get("CI"):
            pytest.fail("this must run as root here")
        pytest.skip("needs root")
