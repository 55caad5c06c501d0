"""Real servers without an engine: PostgreSQL and PgBouncer as Debian ships them, and planodev beside them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from planodev import production
from tests.support import forked, left_over
from tests.support.ports import free_port
from tests.support.requirements import require_path
from tests.support.waiting import until, without_error

CONFIG = """\
version: v0.4.0
listeners:
  - {type: model, name: llm, port: 12000}
model_providers:
  - {model: anthropic/claude-sonnet-4-5, access_key: $ANTHROPIC_API_KEY, default: true}
state_storage:
  type: postgres
  connection_string: "postgresql://${DB_USER}:${DB_PASS}@${DB_HOST}:${DB_PORT}/${DB_NAME}"
"""
TESTS = Path(__file__).parents[1]
# Providers whose files are for Docker Compose.
COMPOSED = [name for name in production.names() if name != production.KUBERNETES]
PASSWORD = "Prod-" + secrets.token_urlsafe(18)
LOOPBACK = "127.0.0.1"
# PostgreSQL and PgBouncer refuse to run as root.
NOBODY = {"user": "nobody"} if os.geteuid() == 0 else {}


def program(name):
    """Return a program of PostgreSQL's own directory or the path; Debian keeps the first out of the second."""
    own = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    return require_path(str(own[0]) if own else shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin"), name)


def pgbouncer_command():
    """Return how PgBouncer of Debian 13 is started, whose version is the one of the rendered Dockerfile."""
    root = subprocess.run([TESTS / "engine-root", "trixie-pgbouncer"], capture_output=True, text=True, check=False)
    found = Path(root.stdout.strip()) / "usr/sbin/pgbouncer"
    if root.returncode or not found.exists():
        return [require_path(None, f"PgBouncer of Debian 13 ({root.stderr.strip()})")]
    base = found.parents[2]
    loader = next(base.glob("lib*/ld-linux-*.so.*"))
    libraries = next(base.glob("usr/lib/*-linux-gnu"))
    # Started by root, who alone can read the directory; PgBouncer itself drops to nobody.
    return [str(loader), "--library-path", str(libraries), str(found), *(["-u", "nobody"] if NOBODY else [])]


def wait_for(port, process, log, timeout=20):
    def listens():
        assert process.poll() is None, log.read_text()
        with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), 1):
            return True
        return False

    until(listens, log.read_text, timeout)


@contextlib.contextmanager
def own_directory():
    """Make a directory that is nobody's own, below one that nobody can enter: pytest's is root's alone."""
    path = left_over.make()
    if NOBODY:
        shutil.chown(path, "nobody")
    try:
        yield path
    finally:
        left_over.remove(path)


@contextlib.contextmanager
def running(command, directory, port, *, as_nobody=True, **more):
    """Run a server until the block ends."""
    log = directory / "log"
    more = {**(NOBODY if as_nobody else {}), **more}
    with log.open("ab") as output:
        process = subprocess.Popen(command, cwd=directory, stdout=output, stderr=output, **more)
    try:
        wait_for(port, process, log)
        yield process
    finally:
        process.send_signal(2)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def eventually(job, timeout=20):
    return without_error(job, psycopg.OperationalError, timeout)


@dataclass
class Server:
    """A PostgreSQL with a role `owner` that is no superuser, as providers give one."""

    directory: Path
    port: int
    command: list[str]
    user: dict[str, str] = field(default_factory=lambda: NOBODY)
    number: int = 0
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self):
        log = self.directory / "log"
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command, cwd=self.directory, stdout=output, stderr=output, start_new_session=True, **self.user
            )
        eventually(lambda: self.sql("SELECT 1"))

    def stop(self, mode="fast"):
        """Stop it as `pg_ctl -m MODE` does, and wait until it has gone."""
        self.process.send_signal({"fast": signal.SIGINT, "immediate": signal.SIGQUIT}[mode])
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def sql(self, text, *, database="postgres", user="postgres", fetch=False):
        with psycopg.connect(
            host=str(self.directory), port=self.port, user=user, dbname=database, autocommit=True
        ) as session:
            done = session.execute(text)
            return done.fetchall() if fetch else None

    def database(self):
        self.number += 1
        name = f"shop{self.number}"
        self.sql(f"CREATE DATABASE {name} OWNER owner")
        return name

    def psql(self, database, path, user="owner"):
        """Run a file as PRODUCTION.md says."""
        command = [program("psql"), f"host={self.directory} port={self.port} user={user} dbname={database}"]
        return subprocess.run(
            [*command, "-Xqv", "ON_ERROR_STOP=1", "-f", str(path)], capture_output=True, text=True, check=False
        )


@dataclass
class Authority:
    directory: Path

    @property
    def certificate(self):
        return self.directory / "ca.pem"

    def sign(self, name):
        """Return (key, certificate) for a host name, or for an address; the server alone can read the key."""
        key, request, signed = (self.directory / f"{name}.{end}" for end in ("key", "csr", "pem"))
        extension = self.directory / f"{name}.ext"
        extension.write_text(f"subjectAltName={'IP' if name[0].isdigit() else 'DNS'}:{name}\n")
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", request, "-subj", f"/CN={name}")
        openssl(
            *("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.directory / "ca.key"),
            *("-CAcreateserial", "-days", "2", "-extfile", extension, "-out", signed),
        )
        for path in (key, signed):
            path.chmod(0o600)
            if NOBODY:
                shutil.chown(path, "nobody")
        return key, signed


def openssl(*arguments):
    command = [require_path(shutil.which("openssl"), "openssl"), *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True)


@contextlib.contextmanager
def new_authority():
    with own_directory() as directory:
        made = Authority(directory)
        openssl(
            *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=Test authority"),
            *("-keyout", directory / "ca.key", "-out", made.certificate),
        )
        made.certificate.chmod(0o644)
        yield made


def with_tls(authority, name="localhost"):
    """Return the settings of a server with a certificate for this name."""
    key, certificate = authority.sign(name)
    return ("ssl", "on"), ("ssl_key_file", key), ("ssl_cert_file", certificate)


@contextlib.contextmanager
def postgres(hba, *settings, within=()):
    """Run a new PostgreSQL; `within` is what its command is started by, as another user than root."""
    with own_directory() as directory:
        data = directory / "data"
        subprocess.run(
            [program("initdb"), "-D", data, "-U", "postgres", "-A", "trust", "--no-sync", "--no-instructions"],
            check=True,
            capture_output=True,
            env={"LC_ALL": "C.UTF-8", "PATH": os.environ["PATH"]},
            **NOBODY,
        )
        # PgBouncer's resolver has both for `localhost`, whatever /etc/hosts says.
        both = hba + hba.replace("127.0.0.1/32", "::1/128") if "127.0.0.1/32" in hba else hba
        (data / "pg_hba.conf").write_text(f"local all all trust\n{both}")
        port = free_port()
        options = {"unix_socket_directories": str(directory), "port": port, "fsync": "off", "max_connections": 40}
        options["listen_addresses"] = "127.0.0.1,::1"
        command = [program("postgres"), "-D", str(data)]
        for name, value in {**options, **dict(settings)}.items():
            command += ["-c", f"{name}={value}"]
        server = Server(directory, port, [*within, *command], {} if within else NOBODY)
        server.start()
        try:
            server.sql("CREATE ROLE owner LOGIN CREATEROLE CREATEDB")
            yield server
        finally:
            server.stop()


@contextlib.contextmanager
def pgbouncer(directory, ini, users):
    """Run PgBouncer with this file; its port is taken from it."""
    (directory / "pgbouncer.ini").write_text(ini)
    (directory / "userlist.txt").write_text("".join(f'"{user}" "{password}"\n' for user, password in users.items()))
    port = int(re.search(r"listen_port = (\d+)", ini)[1])
    with running([*pgbouncer_command(), "pgbouncer.ini"], directory, port, as_nobody=False):
        yield port


def placed(project, server, database, directory, port, **changed):
    """Put the rendered files of PgBouncer into a directory, for this server; returns the text of `pgbouncer.ini`.

    The name `db.example.com` becomes `localhost`, which is no host for what runs in a container.
    Each of `changed` is a setting in place of the rendered one.
    """
    ini = project.read("pgbouncer.ini").replace(" dbname=plano\n", f" dbname={database}\n")
    ini = ini.replace("host=db.example.com ", "host=localhost ")
    ini = re.sub(r"port=\d+", f"port={server.port}", ini).replace("/tmp/userlist.txt", "userlist.txt")
    for name, value in {"listen_port": port, **changed}.items():
        ini, found = re.subn(rf"(?m)^{name} = .*$", f"{name} = {value}", ini)
        assert found == 1, name
    shutil.copy(project.path / "pgbouncer_hba.conf", directory)
    return ini


@dataclass
class Run:
    code: int
    out: str
    err: str
    seconds: float

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def error(self):
        return self.json["error"]["code"]


class Project:
    """A directory with a configuration, and the command line in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(exist_ok=True)
        self.write("config.yaml", CONFIG)
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PLANODEV_", "PG", "DB_"))}
        self.environment = {**kept, "LC_ALL": "C.UTF-8", "COLUMNS": "80", "XDG_STATE_HOME": str(path / ".state")}

    def write(self, name, text):
        (self.path / name).write_text(text)

    def read(self, name):
        return (self.path / name).read_text()

    def __call__(self, *arguments, code=0, before=(), **variables):
        command = [*before, sys.executable, "-m", "planodev", "-C", str(self.path), *arguments]
        start = time.monotonic()
        done = forked.run(command, env={**self.environment, **variables}, cwd=self.path.parent, timeout=60)
        seconds = time.monotonic() - start
        assert "Traceback" not in done.stderr, done.stderr
        assert PASSWORD not in done.stdout + done.stderr
        assert code is None or done.returncode == code, f"exit {done.returncode}\n{done.stdout}{done.stderr}"
        return Run(done.returncode, done.stdout, done.stderr, seconds)

    def env(self, **values):
        """Write `.env.production`; what is not given is that of a good one."""
        all_of = {
            "DB_USER": "plano_prod",
            "DB_PASS": PASSWORD,
            "DB_HOST": LOOPBACK,
            "DB_PORT": "5432",
            "DB_NAME": "plano",
            "ANTHROPIC_API_KEY": "sk-test",
            **{name: str(value) for name, value in values.items()},
        }
        self.write(".env.production", "".join(f"{name}={value}\n" for name, value in all_of.items()))
        return self

    def verify(self, *arguments, code=0, **more):
        return self("verify", "--env-file", ".env.production", "--json", *arguments, code=code, **more)

    def fails(self, error, *arguments, code=7, **more):
        """Verify, and return the error's `why` and `fix` in one text."""
        failed = self.verify(*arguments, code=code, **more).json["error"]
        assert failed["code"] == error, failed
        return f"{failed['why']} | {failed['fix']}"


def prepared(project, server, provider):
    """Follow the steps 2 and 3 of PRODUCTION.md, and return the database."""
    with tempfile.TemporaryDirectory() as directory:
        project("production", provider, "--output", directory)
        database = server.database()
        done = server.psql(database, Path(directory) / "conversation_states.sql")
        assert not done.returncode, done.stderr
    server.sql(f"ALTER ROLE plano_prod PASSWORD '{PASSWORD}'")
    return database
