"""Whatever stands in a file that planodev reads, no command ends with the error that nobody expects."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import os
import random

import pytest

from planodev.cli.main import main
from planodev.engines.embedded import programs
from tests.support.tiers import slow_but

ENV = "# planodev project: 0123456789abcdef\nDB_USER=u\nDB_PASS=p\nDB_HOST=127.0.0.1\nDB_PORT=5432\nDB_NAME=d\n"
CONFIG = """version: v0.4.0
listeners: [{type: model, name: a, port: 12000}]
model_providers: [{model: openai/x, access_key: $OPENAI_API_KEY}]
state_storage: {type: postgres, connection_string: "postgresql://${DB_USER}:${DB_PASS}@${DB_HOST}:${DB_PORT}/${DB_NAME}"}
"""
RECORD = {"project": "0123456789abcdef", "path": "/x", "inode": "1:2:", "engine": "docker", "place": "v"}
LABELS = {"project": "0123456789abcdef", "path": "/x", "inode": "1:2:", "name": "plano-postgres", "user": "u"}
LABELS |= {"database": "d", "version": "16.1", "port": 5432}
SNAPSHOT = {"name": "a", "created_at": 1, "database": "d", "rows": 1, "bytes": 1, "postgres_version": "16"}
CONTEXT = "contexts/meta/9b98fe1d61c2d2fa5fc8a9a9b2f7c1d5/meta.json"
# Each file that planodev reads, below the directory of a test, with what a good one holds.
FILES = {
    "project/.env": ENV,
    "project/config.yaml": CONFIG,
    "project/planodev.toml": "port = 5433\n",
    "project/.gitignore": ".env\n",
    "project/.env.production": ENV,
    "project/pgbouncer.ini": "* = host=a\n",
    "state/planodev/projects/0123456789abcdef.json": json.dumps(RECORD),
    "state/planodev/accepted/x": "x",
    "state/planodev/locks/x": "x",
    "data/planodev/snapshots/0123456789abcdef/a.json": json.dumps(SNAPSHOT),
    "data/planodev/snapshots/0123456789abcdef/a.dump": "PGDMP",
    "data/planodev/postgres/0123456789abcdef/labels.json": json.dumps(LABELS),
    "data/planodev/postgres/0123456789abcdef/password": "p",
    "data/planodev/postgres/0123456789abcdef/pgpass": "*:*:*:planodev+admin:p\n",
    "data/planodev/postgres/0123456789abcdef/ready": "",
    "data/planodev/postgres/0123456789abcdef/server.log": "log",
    "data/planodev/postgres/0123456789abcdef/data/PG_VERSION": "16\n",
    "data/planodev/postgres/0123456789abcdef/data/postmaster.pid": "1\n/x\n1\n5432\n\n127.0.0.1\n1 1\nready\n",
    "home/.plano/run/plano.pid": '{"brightstaff_pid": 1}',
    "docker/config.json": '{"currentContext": "a"}',
    f"docker/{CONTEXT}": '{"Name": "a", "Endpoints": {"docker": {"Host": "unix:///x"}}}',
}
COMMANDS = [["status"], ["doctor"], ["verify"], ["env"], ["down"], ["up", "--dry-run"], ["logs"], ["reset"], ["psql"]]
COMMANDS += [["run", "--", "planoai", "up"], ["conversations"], ["snapshot", "list"], ["production", "neon", "--force"]]
COMMANDS += [["verify", "--env-file", ".env.production"], ["snapshot", "restore", "a"], ["up", "--adopt", "--dry-run"]]
VALUES = [
    None,
    True,
    0,
    -1,
    99999999,
    10**30,
    1.5,
    "",
    "%FF",
    "\x00",
    "\ud800",
    "a\nb",
    "../../x",
    [],
    [1],
    {},
    {"a": 1},
]
DEEP = 100_000


def is_file(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode(errors="surrogatepass"))


KINDS = {
    "empty": lambda path, _good: is_file(path, ""),
    "random bytes": lambda path, _good: is_file(path, random.Random(path.name).randbytes(500)),
    "UTF-16": lambda path, good: is_file(path, good.encode("utf-16")),
    "NULs": lambda path, good: is_file(path, good.replace("a", "\0") + "\0" * 1000),
    "cut in the middle": lambda path, good: is_file(path, good[: len(good) // 2]),
    "nested deeply, JSON": lambda path, _good: is_file(path, "[" * DEEP),
    "nested deeply, TOML": lambda path, _good: is_file(path, "a = " + "[" * DEEP),
    "nested deeply, mappings": lambda path, _good: is_file(path, '{"a":' * DEEP),
    "long line": lambda path, _good: is_file(path, "A" * 300_000),
    "long number": lambda path, _good: is_file(path, "9" * 10_000),
    "percent signs": lambda path, good: is_file(path, good.replace("=p", "=%FF").replace("DB_PASS}", "DB_PASS}%FF%")),
    "a port of a mile": lambda path, good: is_file(path, good.replace("5432", "99999999").replace("12000", "99999999")),
    "a directory": lambda path, _good: path.mkdir(),
    "a directory that is not empty": lambda path, _good: (path / "a").mkdir(parents=True),
    "a link to nothing": lambda path, _good: path.symlink_to("nothing"),
    "a link to itself": lambda path, _good: path.symlink_to(path.name),
    "a link to a directory": lambda path, _good: path.symlink_to("/"),
    "a device without an end": lambda path, _good: path.symlink_to("/dev/zero"),
    "a pipe": lambda path, _good: os.mkfifo(path),
}
for value in VALUES:
    KINDS[f"JSON {value!r:.20}"] = lambda path, _good, value=value: is_file(path, json.dumps(value))


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Return a directory with a good project, and everything else that planodev reads beside it."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    variables = {"HOME": "home", "XDG_STATE_HOME": "state", "XDG_DATA_HOME": "data", "DOCKER_CONFIG": "docker"}
    for name, directory in variables.items():
        monkeypatch.setenv(name, str(tmp_path / directory))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nothing.sock")
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO()))
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path


def expected(capsys, *arguments):
    """Run a command, and see that it ends with an answer: a code of its own, and what to do about it."""
    try:
        code = main(list(arguments))
    except SystemExit as end:  # of a program that it became
        code = end.code
    out, err = capsys.readouterr()
    said = out + err
    for word in ("[unexpected]", '"unexpected"', "itself failed", "Traceback", "Exception"):
        assert word not in said, f"{arguments}: {said}"
    assert code in (*range(8), 127), f"{arguments}: {code}"
    assert code == 0 or "fix:" in said or arguments[0] == "doctor", f"{arguments}: {said}"


@pytest.fixture
def commands(monkeypatch, place):
    """Return the commands with an engine that does not answer, and the data that the embedded one would have."""
    monkeypatch.setattr("planodev.cli.psql.become", lambda _launch: 0, raising=False)
    monkeypatch.setattr("planodev.cli.run.become", lambda _launch: 0)
    return COMMANDS


# What `make test` has of each file: no form of its own, a form that ends too early, and what is no file.
SAMPLE = ("random bytes", "cut in the middle", "JSON {}", "a directory", "a pipe")


@pytest.mark.parametrize(
    "case",
    slow_but(list(itertools.product(FILES, SAMPLE)), itertools.product(FILES, KINDS)),
    ids=" is ".join,
)
def test_a_broken_file_is_told_as_what_it_is(place, commands, capsys, monkeypatch, case):
    file, kind = case
    path = place / file
    path.unlink()
    KINDS[kind](path, FILES[file])
    if file.startswith("docker/"):
        monkeypatch.delenv("DOCKER_HOST")
    chosen = random.Random(file + kind)
    # All commands over all kinds take minutes; each kind of each file meets some, and the seed does not change.
    for command in chosen.sample(commands, 2):
        expected(capsys, *command)
    if file.startswith(("data/", "state/")) and programs.find():
        monkeypatch.setenv("PLANODEV_ENGINE", "embedded")
        expected(capsys, *chosen.choice([["status"], ["status"], ["logs"], ["down"], ["up", "--dry-run"], ["doctor"]]))


@pytest.mark.parametrize("key", RECORD)
@pytest.mark.parametrize("value", slow_but(VALUES[:3], VALUES), ids=lambda value: f"{value!r:.20}")
def test_a_value_of_a_record_that_is_of_another_kind(place, capsys, monkeypatch, key, value):
    record = place / "state/planodev/projects/0123456789abcdef.json"
    record.write_text(json.dumps({**RECORD, "path": str(place / "project"), key: value}))
    expected(capsys, "status")
    if key in LABELS:
        labels = place / "data/planodev/postgres/0123456789abcdef/labels.json"
        labels.write_text(json.dumps({**LABELS, "path": str(place / "project"), key: value}))
    if programs.find():
        monkeypatch.setenv("PLANODEV_ENGINE", "embedded")
        expected(capsys, "status")


@pytest.mark.parametrize("value", VALUES, ids=lambda value: f"{value!r:.20}")
def test_a_value_of_dockers_files_that_is_of_another_kind(place, capsys, monkeypatch, value):
    monkeypatch.delenv("DOCKER_HOST")
    for key in ("currentContext", "auths", "credsStore", "proxies", "HttpHeaders"):
        (place / "docker/config.json").write_text(json.dumps({"currentContext": "a", key: value}))
        expected(capsys, "status")
    (place / "docker/config.json").write_text('{"currentContext": "a"}')
    for context in (
        value,
        {"Name": value},
        {"Name": "a", "Endpoints": value},
        {"Name": "a", "Endpoints": {"docker": value}},
    ):
        (place / "docker" / CONTEXT).write_text(json.dumps(context))
        expected(capsys, "status")
    host = {"Name": "a", "Endpoints": {"docker": {"Host": value, "SkipTLSVerify": value}}}
    (place / "docker" / CONTEXT).write_text(json.dumps(host))
    expected(capsys, "status")


HOSTS = [
    "tcp://h:99999999",
    "tcp://[::1",
    "tcp://",
    "unix://",
    "x://y",
    "tcp://%FF",
    "ssh://",
    "npipe://",
    "h:99999999",
    ":",
]
HOSTS += ["fd://", "unix://\udcff", "tcp://h:1/../..", "http+unix://x", "tcp://\u202e:1", " ", "unix://" + "a" * 500]


@pytest.mark.parametrize("host", HOSTS, ids=ascii)
def test_an_address_of_an_engine_that_is_none(place, capsys, monkeypatch, host):
    monkeypatch.setenv("DOCKER_HOST", host)
    for command in (["status"], ["doctor"], ["up", "--dry-run"]):
        expected(capsys, *command)


STRINGS = [
    "%FF",
    "postgresql://%FF:%FF@%FF/%FF",
    "postgresql://u:%FF@127.0.0.1:1/d",
    "postgresql://u:p@a..b:1/d",
    f"postgresql://u:p@{'a' * 64}:1/d",
    "postgresql://u:p@[::1/d",
    "x" * 9000,
]
STRINGS += [
    "postgresql://u:p@h:99999999/d",
    "postgresql://",
    "postgresql://u:p@/d?host=%00",
    "host=h port=99999999",
    "\t",
]
STRINGS += [
    "postgresql://u:p@h/d?port=99999999999999999999999999",
    "postgresql://u:p@h/d?connect_timeout=1e9",
    "${",
    "$",
]


@pytest.mark.parametrize("string", STRINGS, ids=lambda string: string[:50])
def test_a_connection_string_that_is_none(place, commands, capsys, string):
    config = (
        CONFIG.split("state_storage", maxsplit=1)[0]
        + f"state_storage: {{type: postgres, connection_string: {json.dumps(string)}}}\n"
    )
    (place / "project/config.yaml").write_text(config)
    for command in (
        ["status"],
        ["doctor"],
        ["verify"],
        ["up", "--dry-run"],
        ["run", "--", "planoai", "up"],
        ["conversations"],
    ):
        expected(capsys, *command)
    (place / "project/.env.production").write_text(ENV.replace("DB_HOST=127.0.0.1", f"DB_HOST={string}"))
    expected(capsys, "verify", "--env-file", ".env.production")


@pytest.mark.parametrize(
    "name", ["\udcff", "a\nb", "\x1b[31m", "a" * 255, " ", "-C", "%FF", "ümlaut", "$(x)"], ids=ascii
)
def test_the_name_of_a_directory(place, commands, capsys, name):
    directory = place / name
    with contextlib.suppress(OSError):
        directory.mkdir()
    for command in commands[:8]:
        expected(capsys, "-C", str(directory), *command)


NUMBERS = (
    "281474976710655",
    "0x" + "f" * 5000,
    "-0x" + "f" * 5000,
    "9" * 5000,
    "1e400",
    ".inf",
    ".nan",
    "1:2:3",
    "yes",
)


@pytest.mark.parametrize("number", slow_but(NUMBERS[:2], NUMBERS), ids=lambda number: number[:8])
@pytest.mark.parametrize("value", ["12000", "v0.4.0", "openai/x", "$OPENAI_API_KEY", "postgres"])
def test_a_number_that_is_no_value_of_its_key_is_told(place, commands, capsys, value, number):
    path = place / "project/config.yaml"
    path.write_text(path.read_text().replace(value, number, 1))
    for command in commands:
        expected(capsys, *command)
