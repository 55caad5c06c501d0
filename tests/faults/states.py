"""States that have a problem, as a table: how each is entered, what is typed, and what a person does about it.

A fix that has commands is carried out as it is printed. `says` is what of it a person reads where it has none, `hand`
what these words have a person do, `fills` what a person writes for a word in capitals, `yes` what planodev asks a
person, who agrees; `then` what is typed afterwards in place of the command that failed, and `next` the code of the
problem that is met then, once this one is gone.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from planodev import look
from planodev.engines import LABEL_SCHEMA, Image
from planodev.engines.docker import adopt
from planodev.engines.docker import engine as docker
from planodev.engines.embedded import programs
from tests.support.ports import free_port
from tests.support.rules import BAD

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.following import Follower


def nothing(_here): ...


@dataclass(frozen=True)
class State:
    """One row.

    Args:
        code: of the problem.
        typed: the command that tells it.
        enter: makes the state in an empty project.
        hand: does what the fix asks of a person.
        says: what of the fix that is, or has no command and is what `then` follows.
        then: the command that a person types afterwards, where it is another one.
        next: the code of the problem that comes after this one, where another is left; a comment says why.
        fills: what a person writes in the fix's commands for a word that stands for it; `{home}` is the person's own.
        yes: the end of a command of the fix that asks, to which a person says yes.
        piped: what the commands of the fix read.
        gives: what the command that fails reads.
        embedded: whether it needs what the embedded engine runs.

    """

    code: str
    typed: str
    enter: Callable[[Follower], object] = nothing
    hand: Callable[[Follower], object] | None = None
    says: str = ""
    then: str = ""
    next: str = ""
    fills: tuple[str, str] | None = None
    yes: str = ""
    piped: str = ""
    gives: str = ""
    embedded: bool = False

    @property
    def name(self):
        return f"{self.code}: {self.typed}"


def up(here, *more):
    done = here("up", *more)
    assert done.code == 0, done.err


def typed(*words):
    return lambda here: here(*words)


def writes(name, text):
    def run(here):
        (here.directory / name).parent.mkdir(exist_ok=True, parents=True)
        here.write(name, text)

    return run


def changes(name, old, new):
    return lambda here: here.change(name, old, new)


def line(key, new):
    """Write another line for a key of `.env`."""

    def run(here, name=".env"):
        lines = (here.directory / name).read_text().splitlines()
        kept = [one for one in lines if not one.startswith(f"{key}=")]
        here.write(name, "\n".join([*kept, *([new] if new else []), ""]))

    return run


def removes(name):
    return lambda here: (here.directory / name).unlink()


def sets(name, value):
    return lambda here: here.monkeypatch.setenv(name, value)


def clears(name):
    return lambda here: here.monkeypatch.delenv(name)


def both(*steps):
    def run(here):
        for step in steps:
            step(here)

    return run


def after(*steps):
    return both(up, *steps)


def run_shell(line):
    return lambda here: here.shell(line)


def sub(name):
    """Go into a directory below."""

    def run(here):
        (here.directory / name).mkdir(parents=True, exist_ok=True)
        here.directory = here.directory / name

    return run


def away(here):
    """Have the project's directory renamed, and another one made in its place."""
    up(here)
    here("down", "--keep-data")
    here.directory.rename(here.directory.with_name("old"))
    here.directory.mkdir()
    shutil.rmtree(here.directory.with_name("old"))


def taken(*names, **ports):
    """Give names, some with a port, to containers of nobody here."""
    return lambda here: here.engine.others.update({**dict.fromkeys(names), **ports})


def another_image(here):
    up(here)
    here.engine.images["postgres:17"] = here.engine.registry["postgres:17"]


def old_image(here):
    here.engine.images["old"] = Image("sha256:" + "d" * 64, 9)


has_key = writes(".env", "ANTHROPIC_API_KEY=sk-ant-1\n")


def stored_elsewhere(here):
    up(here)
    here.change("config.yaml", "${DB_USER}:${DB_PASS}@${DB_HOST}:${DB_PORT}/${DB_NAME}", "u:p@db.other.net:5432/d")


def _without_string(here):
    lines = (here.directory / "config.yaml").read_text().splitlines()
    here.write("config.yaml", "\n".join(one for one in lines if "connection_string" not in one) + "\n")


GIT = "git init -q && git config user.name u && git config user.email u@h"
COMMIT = "git add -A && git commit -qm one"
PLANOAI = (
    "mkdir -p ../bin && printf '#!/bin/sh\\n' > ../bin/planoai && chmod +x ../bin/planoai"
    ' && export PATH="$PWD/../bin:$PATH"'
)
has_git, has_planoai = run_shell(GIT), run_shell(PLANOAI)
OK = (BAD / "ok.yaml").read_text()
MIXED = OK.replace("anthropic/claude-sonnet-4-6", "xai/grok-4").replace(
    "state_storage", "  - {model: mistral/m, access_key: $K}\nstate_storage"
)
WILDCARD = OK.replace(
    "state_storage",
    "  - {model: xai/*, access_key: $K}\n"
    "  - {model: xai-chat/g, base_url: https://api.x.ai/v1, provider_interface: mistral, access_key: $K}\n"
    "state_storage",
)
PREFERENCES = "routing_preferences:\n  - {name: a, description: d, models: [mistral/m]}\n"
PRODUCTION = "DB_USER=u\nDB_PASS=p\nDB_HOST=127.0.0.1\nDB_PORT=1\nDB_NAME=d\nANTHROPIC_API_KEY=k-1\nK=k-1\n"
FOREIGN = "DB_HOST=db.other.net\nDB_USER=u\nDB_PASS=p\nDB_PORT=5\nDB_NAME=d\n"  # another one's server
CONNECT = docker.connect
# By code: the option, a value that it refuses, and one that it accepts.
OPTIONS = {
    "bad-engine": ("--engine", "x", "docker"),
    "bad-plano": ("--plano", "x", "docker"),
    "bad-port": ("--port", "x", "6000"),
    "bad-name": ("--name", "a b", "shop"),
    "bad-image": ("--image", "A B", "postgres:17"),
    "bad-pull": ("--pull", "x", "missing"),
    "bad-template": ("--template", "x", "responses"),
    "bad-model": ("--model", "x", "anthropic/claude-sonnet-4-6"),
    "bad-timeout": ("--timeout", "x", "60"),
    "bad-dotenv": ("--dotenv", "a/b", ".env.plano"),
}
FROM_VARIABLES = {"bad-port": ("PLANODEV_PORT", "x"), "bad-timeout": ("PLANODEV_TIMEOUT", "x")}

SETTINGS = (
    *(
        State(code, f"up {option} '{refused}'", then=f"up {option} {accepted}")
        for code, (option, refused, accepted) in OPTIONS.items()
    ),
    *(State(code, "up", sets(*variable)) for code, variable in FROM_VARIABLES.items()),
    State("bad-name", "up", writes("planodev.toml", 'name = "a b"\n'), writes("planodev.toml", ""), "change `name`"),
    State(
        "bad-settings-file", "up", writes("planodev.toml", "nam = 1\n"), writes("planodev.toml", ""), "remove the line"
    ),
    State("bad-config", "up", writes("planodev.toml", "config = 5\n"), writes("planodev.toml", ""), "change `config`"),
    State("bad-settings-file", "up", writes("planodev.toml", "name = \n"), writes("planodev.toml", ""), "correct"),
    State("usage", "up --prot 5", then="up --port 5555"),
    State("usage", "nothing", then="up"),
    State("no-directory", "-C nowhere up", then="-C nowhere up"),
    State("no-config-directory", "up --config sub/c.yaml"),
    State(
        "state-directory-unwritable",
        "up",
        both(
            lambda here: (here.home / "file").write_text(""),
            lambda here: sets("XDG_STATE_HOME", str(here.home / "file"))(here),
        ),
        lambda here: sets("XDG_STATE_HOME", str(here.home / "own"))(here),
        "set XDG_STATE_HOME",
    ),
    State(
        "no-home",
        "up",
        both(
            clears("HOME"),
            clears("XDG_STATE_HOME"),
            lambda here: here.monkeypatch.setattr(os.path, "expanduser", lambda path: path),
        ),
        lambda here: sets("HOME", str(here.home))(here),
        "export HOME=",
        fills=("/path/to/it", "'{home}'"),
    ),
    State("project-above", "up", both(up, sub("below"), writes(".env", "DB_USER=plano\n"))),
    State("not-confirmed", "down --delete-data", up),
    State("interrupted", "up", lambda here: here.engine.before.update(create=_interrupt)),
)


def _interrupt():
    raise KeyboardInterrupt


ENV = (
    *(
        State(
            f"bad-db-{key[3:].lower()}",
            "up",
            after(line(key, f"{key}={value}")),
            line(key, ""),
            f"change the line {key}",
        )
        for key, value in {
            "DB_USER": "a b",
            "DB_PASS": "%00",
            "DB_HOST": "u:p@h",
            "DB_PORT": "many",
            "DB_NAME": "a b",
        }.items()
    ),
    State("env-file-broken-link", "up", lambda here: (here.directory / ".env").symlink_to("nothing")),
    State("env-file-is-directory", "up", lambda here: (here.directory / ".env").mkdir()),
    State("env-file-is-directory", "up", lambda here: (here.directory / ".env/bin").mkdir(parents=True)),
    State("env-file-unreadable", "up", lambda here: os.mkfifo(here.directory / ".env")),
    State("env-file-not-utf8", "up", lambda here: (here.directory / ".env").write_bytes(b"A=gr\xfc\xdfe\n")),
    State("env-file-binary", "up", lambda here: (here.directory / ".env").write_bytes(b"A=\0\1\n")),
    State("env-file-encrypted", "up", writes(".env", "A=1\nsops_version=3.8\nsops_mac=ENC[x]\n")),
    State("env-file-unknown-format", "up", writes(".env", "hello\n")),
    State(
        "env-file-of-another-program",
        "up",
        writes(".env", "APP_KEY=1\nDB_CONNECTION=mysql\nDB_PORT=3306\n"),
    ),
    State("env-reference", "up", writes(".env", "DB_PASS=op://a/b\n")),
    State("env-reference-unset", "up", writes(".env", "DB_PASS=${NOWHERE}\n")),
    State(
        "env-reference-unset",
        "up",
        writes(".env", "DB_PASS=${NOWHERE}\n"),
        sets("NOWHERE", "secret-1"),
        "export NOWHERE=",
    ),
    State(
        "env-reference-foreign",
        "verify",
        both(
            sets("MINE", "x"),
            writes("config.yaml", OK),
            writes(".env", "DB_HOST=db.other.net\nDB_PASS=${MINE}\nDB_USER=u\nDB_NAME=d\nDB_PORT=5\n"),
        ),
        line("DB_PASS", "DB_PASS=x"),
        "write the value itself",
        next="name-not-found",  # the row's server is nowhere
    ),
    State(
        "env-line-refers",
        "up",
        both(writes(".env", "OTHER=5\nDB_PORT=${OTHER}\n"), taken(theirs=5)),
    ),
    State("env-file-incomplete", "verify", after(line("DB_USER", ""))),
    State("env-file-incomplete", "env", after(line("DB_PASS", ""))),
    State(
        "foreign-host",
        "up",
        after(line("DB_HOST", "DB_HOST=db.other.net")),
        then="verify",
        next="name-not-found",  # the row's server is nowhere
    ),
    State("foreign-host", "up", writes(".env", FOREIGN)),
    State(
        "foreign-host",
        "up",
        both(writes(".env", FOREIGN.partition("DB_PASS")[0]), writes("config.yaml", OK)),
        then="verify",
        next="env-file-incomplete",  # which a person completes
    ),
    State("config-missing", "verify", writes(".env", FOREIGN)),
    State("env-file-incomplete", "verify", writes(".env", FOREIGN.partition("DB_PASS")[0])),
    State(
        "env-file-outside-project",
        "up",
        both(
            lambda here: (here.home / "theirs").write_text("A=1\n"),
            lambda here: (here.directory / ".env").symlink_to(here.home / "theirs"),
        ),
    ),
)


def line_of_name(here):
    with (here.directory / "e").open("a") as file:
        file.write("DB_NAME=d\n")


KEYS = (
    *(
        State("bad-key-name", f"keys set {name}", fills=("NAME", "ANTHROPIC_API_KEY"), piped="sk-ant-1\n")
        for name in ("sk-ant-1234567890", "gsk_1aB2cD3eF", "DB_PASS")
    ),
    State("key-unknown", "keys set ANTROPIC_API_KEY", up, piped="sk-ant-1\n"),
    State("key-not-given", "keys set ANTHROPIC_API_KEY", up, piped="sk-ant-1\n"),
    State("key-not-in-env-file", "up", up, piped="sk-ant-1\n"),
    State("key-not-in-env-file", "up --no-save-keys", after(sets("ANTHROPIC_API_KEY", "sk-ant-1"))),
    State("key-empty", "up", after(line("ANTHROPIC_API_KEY", "ANTHROPIC_API_KEY=")), piped="sk-ant-1\n"),
    State(
        "key-placeholder", "up", after(line("ANTHROPIC_API_KEY", "ANTHROPIC_API_KEY=<your key>")), piped="sk-ant-1\n"
    ),
    State("key-is-reference", "up", after(line("ANTHROPIC_API_KEY", "ANTHROPIC_API_KEY=op://a/b")), piped="sk-ant-1\n"),
    *(
        State(
            code,
            "up",
            after(line("ANTHROPIC_API_KEY", text)),
            both(line("export ANTHROPIC_API_KEY", ""), line("ANTHROPIC_API_KEY", "ANTHROPIC_API_KEY=sk-ant-1")),
            says,
        )
        for code, text, says in (
            ("key-exported", "export ANTHROPIC_API_KEY=sk-ant-1", "without `export`"),
            ("key-quoted", "ANTHROPIC_API_KEY='sk-ant-1'", "without quotes"),
            ("key-with-comment", "ANTHROPIC_API_KEY=sk-ant-1 # mine", "its own line"),
        )
    ),
    State(
        "access-key-braces",
        "up",
        after(changes("config.yaml", "$ANTHROPIC_API_KEY", "${ANTHROPIC_API_KEY}")),
        changes("config.yaml", "${ANTHROPIC_API_KEY}", "$ANTHROPIC_API_KEY"),
        "write `access_key: $ANTHROPIC_API_KEY`",
    ),
    State(
        "access-key-literal",
        "up",
        after(changes("config.yaml", "$ANTHROPIC_API_KEY", "sk-ant-1234567890")),
        changes("config.yaml", "sk-ant-1234567890", "$ANTHROPIC_API_KEY"),
        "write `access_key: $NAME`",
    ),
)

CONFIG = (
    State("config-empty", "verify", after(writes("config.yaml", "# nothing\n"))),
    *(
        State(
            "config-of-another-tool",
            command,
            writes("config.yaml", "model_list: []\n"),
            writes("planodev.toml", 'config = "plano.yaml"\n'),
            'the line `config = "plano.yaml"` in `planodev.toml`',
        )
        for command in ("up", "status", "keys", "verify")
    ),
    State(
        "config-of-this-command",
        "up --config plano.yaml",
        writes("config.yaml", "model_list: []\n"),
        writes("planodev.toml", 'config = "plano.yaml"\n'),
        'the line `config = "plano.yaml"` in `planodev.toml`',
        then="up",
    ),
    State("bad-config-file", "up", writes("config.yaml", "a: [\n"), removes("config.yaml"), "correct line 2"),
    State("bad-config-file", "up", writes("config.yaml", "- a\n"), removes("config.yaml"), "move it away"),
    State("config-missing", "verify", after(removes("config.yaml"))),
    State("config-without-storage", "verify", after(changes("config.yaml", "type: postgres", "type: memory"))),
    State("connection-string-port", "verify", after(changes("config.yaml", "${DB_PORT}", "1"))),
    State("connection-string-part", "verify", after(changes("config.yaml", "${DB_NAME}", "chats"))),
    State("connection-string-line-break", "verify", after(changes("config.yaml", '${DB_NAME}"', '${DB_NAME}\\n"'))),
    State("connection-string-trailing-blank", "verify", after(changes("config.yaml", '${DB_NAME}"', '${DB_NAME} "'))),
    State(
        "connection-string-placeholder",
        "verify",
        after(changes("config.yaml", "${DB_USER}:${DB_PASS}@${DB_HOST}", "user:password@host")),
    ),
    State(
        "connection-string-unset",
        "verify",
        after(changes("config.yaml", "${DB_NAME}", "${MY_NAME}")),
        changes("config.yaml", "${MY_NAME}", "${DB_NAME}"),
        "write `postgresql://",
    ),
    State(
        "connection-string-unset",
        "verify",
        both(has_key, up, has_planoai, changes("config.yaml", "${DB_NAME}", "${MY_NAME}")),
        line("MY_NAME", "MY_NAME=plano"),
        "put MY_NAME=… into `.env`",
    ),
    State("other-database", "up", stored_elsewhere, _without_string, "remove `connection_string` from"),
    State(
        "other-database",
        "up",
        stored_elsewhere,
        says="`planodev verify` checks that one",
        then="verify",
        next="name-not-found",  # the row's server is nowhere
    ),
    State(
        "change-not-confirmed",
        "up --store-all",
        writes("config.yaml", OK.replace("anthropic/claude-sonnet-4-6", "openai/gpt-4o")),
    ),
    State(
        "provider-keeps-history",
        "up",
        writes("config.yaml", OK.replace("anthropic/claude-sonnet-4-6", "openai/gpt-4o")),
    ),
    State("groq-unanswered", "up", writes("config.yaml", OK.replace("anthropic/claude-sonnet-4-6", "groq/l"))),
    State("default-not-stored", "up", writes("config.yaml", MIXED)),
    State(
        "wildcard-not-stored",
        "up",
        writes("config.yaml", WILDCARD),
        changes("config.yaml", "  - {model: xai/*, access_key: $K}\n", ""),
        "remove the entry in line",
    ),
    State("preferences-mixed", "up", writes("config.yaml", MIXED + PREFERENCES)),
    State(
        "config-key-unknown",
        "up",
        writes("config.yaml", OK + "colour: red\n"),
        writes("config.yaml", OK),
        "remove `colour`",
    ),
    State("port-of-database", "up --port 12345", writes("config.yaml", OK.replace("12000", "12345"))),
    State("native-needs-local-engine", "up --plano native"),
    State("shell-overruled", "run -- true", after(sets("DB_NAME", "another"))),
    State(
        "variable-held-back",
        "env",
        both(
            writes("config.yaml", OK.replace("$ANTHROPIC_API_KEY", "$PYTHONPATH")),
            writes(".env", "PYTHONPATH=/tmp/x\n"),
            typed("up"),
        ),
        changes("config.yaml", "$PYTHONPATH", "$ANTHROPIC_API_KEY"),
        "rename it",
    ),
    State("command-not-started", "run -- no-such-program", up, says="check its name", then="run -- true"),
    State(
        "config-kept",
        "up --model anthropic/claude-haiku-4-5",
        up,
        lambda here: (here.directory / "config.yaml").rename(here.directory / "old"),
        "move",
    ),
    State("old-config-name", "up", writes("arch_config.yaml", OK)),
    State("port-of-plano", "up --port 12000"),
    State(
        "env-file-missing",
        "verify --env-file nothing",
        up,
        says="writes `.env.production`",
        fills=("PROVIDER", "neon"),
        then="verify --env-file .env.production",
        next="env-file-placeholder",  # whose values a person still has to write
    ),
    State(
        "env-file-missing",
        "conversations --env-file nope.env",
        after(writes(".env.production", PRODUCTION)),
        says="`--env-file .env.production` is there",
        then="conversations --env-file .env.production",
        next="connection-refused",  # the row's server is nowhere
    ),
)


EDITED = OK.replace(
    "anthropic/claude-sonnet-4-6",
    "openai-chat/gpt-4o, base_url: https://api.openai.com/v1, provider_interface: mistral",
)
UNEDITABLE = OK.replace(
    "{model: anthropic/claude-sonnet-4-6, access_key: $ANTHROPIC_API_KEY, default: true}",
    "&one {<<: {model: openai/gpt-4o}, default: true}",
)


def real_docker(address):
    """Have the engine looked for where an address says, and not be the fake one."""

    def run(here):
        here.monkeypatch.setattr(docker, "connect", CONNECT)
        here.monkeypatch.setenv("DOCKER_HOST", address)

    return run


MADE_BY_HAND = "plano-postgres"


def by_hand(name, **facts):
    """Have a PostgreSQL at the fake engine that planodev did not make, as `engines.docker.adopt` finds it."""
    known = {"image": "postgres:16", "major": 16, "superuser": "postgres", "database": "postgres", "port": 6000}
    known |= {"data": "/data", "layered": False, "fault": None, "password": "of-the-old-one", **facts}
    found = adopt.Foreign("id-by-hand", name, **known)

    def take_over(engine, foreign, server, limit):
        engine.others[f"{name}-before-planodev"] = engine.others.pop(name) and None
        engine.create(server)
        data = engine.data[server.volume]
        data.volume, data.ready = data.volume._replace(adopts=found.id), True
        return adopt.Adopted(8_000_000, f"{name}-before-planodev", tightened=False)

    def find(engine, asked):
        there = next((one for one in (name, f"{name}-before-planodev") if one in engine.others), None)
        return replace(found, name=there) if there and asked in (there, found.id) else None

    def enter(here):
        here.engine.others[name] = found.port
        here.others[f"docker rm -v {name}-before-planodev"] = lambda here: here.engine.others.clear()
        here.monkeypatch.setattr(adopt, "find", find)
        here.monkeypatch.setattr(adopt, "take_over", take_over)

    return enter


def filled_in_by_hand(here):
    up(here)
    here("production", "neon")
    for one in here.directory.glob("*production*.yaml"):
        here.write(one.name, "mine")


def fake_docker(here):
    here.monkeypatch.setattr(docker, "connect", lambda *_: here.engine)


PLACES = (
    State(
        "env-file-tracked",
        "up",
        both(has_git, writes(".env", "A=1\n"), run_shell(COMMIT)),
    ),
    State(
        "env-file-tracked",
        "up --yes",
        both(
            run_shell(f"{GIT} && touch other && git add other && {COMMIT} && echo more > other"),
            writes(".env", "A=1\n"),
            run_shell("git add .env other"),
        ),
    ),
    State(
        "env-file-not-ignored",
        "up",
        both(has_git, lambda here: (here.directory / ".gitignore").mkdir()),
    ),
    State(
        "output-unwritable",
        "production neon --output file/sub",
        after(writes("file", "")),
        says="choose another directory with `--output`",
        then="production neon --output other",
    ),
    State(
        "output-unwritable",
        "production neon",
        after(lambda here: (here.directory / "compose.production.yaml").mkdir()),
        lambda here: (here.directory / "compose.production.yaml").rmdir(),
        "move",
    ),
    *(
        State("file-exists", "production neon", filled_in_by_hand, says=says, then=f"production neon {option}")
        for says, option in (("`--force` overwrites it", "--force"), ("`--output DIR` writes", "--output other"))
    ),
    State(
        "values-replaced",
        "production rds --force",
        after(typed("production", "neon", "--host", "a.neon.tech")),
        then="production rds",
        next="env-file-placeholder",  # whose values a person still has to write
    ),
    State(
        "foreign-authority",
        "production self-hosted --force",
        after(typed("production", "rds", "--host", "shop.rds.amazonaws.com"), writes("server-ca.pem", "Amazon's\n")),
        says="moves it away",
    ),
    State(
        "bad-host",
        "production self-hosted --host 'a b'",
        up,
        says="`--host db.example.com`",
        then="production self-hosted --host db.example.com",
    ),
    State(
        "env-file-placeholder",
        "verify --env-file .env.production",
        after(typed("production", "self-hosted", "--host", "db.invalid")),
        lambda here: [
            line(key, f"{key}=x1")(here, ".env.production") for key in ("DB_USER", "DB_PASS", "ANTHROPIC_API_KEY")
        ],
        "write the values after",
        next="connection-refused",  # the row's server is nowhere
    ),
    State(
        "env-file-misread",
        "verify --env-file e",
        after(writes("e", PRODUCTION.replace("DB_NAME=d", "DB_NAME='d d'"))),
        writes("e", PRODUCTION),
        "write DB_NAME=VALUE and nothing else",
        next="connection-refused",  # the row's server is nowhere
    ),
    State(
        "env-file-incomplete",
        "verify --env-file e",
        after(writes("e", PRODUCTION.replace("DB_NAME=d\n", ""))),
        writes("e", PRODUCTION),
        "add the line DB_NAME=",
        next="connection-refused",  # the row's server is nowhere
    ),
    State(
        "env-file-incomplete",
        "verify --env-file e",
        after(writes("e", PRODUCTION.replace("DB_NAME=d\n", "").replace("DB_USER=u\n", ""))),
        writes("e", PRODUCTION),
        "add the lines DB_USER=…, DB_NAME=…",
        next="connection-refused",  # the row's server is nowhere
    ),
    State(
        "env-file-incomplete",
        "conversations --env-file e",
        after(writes("e", PRODUCTION.partition("DB_NAME")[0])),
        line_of_name,
        "add the line DB_NAME=",
        next="connection-refused",  # the row's server is nowhere, and its file has no key, which rows need not
    ),
    State(
        "password-not-encoded",
        "verify --env-file e",
        after(writes("e", PRODUCTION.replace("DB_PASS=p", "DB_PASS=p@p"))),
        writes("e", PRODUCTION.replace("DB_PASS=p", "DB_PASS=p%40p")),
        "write `%40`",
        next="connection-refused",  # the row's server is nowhere
    ),
    State(
        "env-file-crlf",
        "verify --env-file e",
        after(lambda here: (here.directory / "e").write_bytes(PRODUCTION.replace("\n", "\r\n").encode())),
        next="connection-refused",  # the row's server is nowhere
    ),
    State(
        "config-missing",
        "verify --env-file e",
        writes("e", PRODUCTION),
        writes("config.yaml", OK),
        "name it with `--config`, or copy",
        next="connection-refused",  # the row's server is nowhere
    ),
    State(
        "config-without-storage",
        "verify --env-file e",
        both(writes("e", PRODUCTION), writes("config.yaml", OK.partition("state_storage")[0])),
        writes("config.yaml", OK),
        "add this to",
        next="connection-refused",  # the row's server is nowhere
    ),
)

ENGINE = (
    State("adopt-needs-docker", "up --adopt --engine embedded", by_hand(MADE_BY_HAND), embedded=True),
    State("no-images", "up --engine embedded --dry-run --image postgres:16", embedded=True),
    State(
        "planoai-missing",
        "up --with-plano",
        sets("PATH", "/usr/bin:/bin"),
        hand=has_planoai,
        says="install planoai`",
        next="key-not-in-env-file",  # nobody has given planoai one yet
    ),
    State("name-taken", "up --name theirs", taken("theirs")),
    State("name-taken", "up --name theirs", taken("theirs", "theirs-shop")),
    State("port-taken", "up --port 6000", taken(theirs=6000)),
    State(
        "port-moved",
        "up",
        taken(theirs=5432),
        lambda here: here.engine.others.clear(),
        "once it is free",
    ),
    State("image-missing", "up --pull never --image postgres:17"),
    State("image-not-usable", "up --image old", old_image),
    State("data-of-another-version", "up --image postgres:17", another_image),
    State("data-of-another-checkout", "up", away),
    State("data-of-another-checkout", "up", both(away, taken("plano-postgres-shop"))),
    State("data-gone", "status", after(lambda here: (here.engine.containers.clear(), here.engine.data.clear()))),
    State("not-running", "verify", after(typed("down", "--keep-data"))),
    State("not-its-port", "verify", after(line("DB_PORT", "DB_PORT=6001"))),
    State("password-refused", "verify", after(line("DB_PASS", "DB_PASS=another-one"))),
    State("database-missing", "verify", after(line("DB_NAME", "DB_NAME=another"))),
    State("table-missing", "verify", after(lambda here: here.database.databases.update(plano=None))),
)

MORE = (
    State("bad-key", "keys set ANTHROPIC_API_KEY", up, piped="sk-ant-1\n", gives="changeme\n"),
    State(
        "config-not-editable",
        "up --store-all --yes",
        writes("config.yaml", UNEDITABLE),
        writes("config.yaml", EDITED),
        "write `model: openai-chat/gpt-4o`, `base_url: https://api.openai.com/v1`, `provider_interface: mistral`",
    ),
    State("nothing-to-adopt", "up --adopt", by_hand("theirs"), fills=("NAME", "theirs")),
    State(
        "example-ignored",
        "production neon",
        both(has_git, writes(".gitignore", ".env*\n"), typed("up")),
    ),
    State("move-needs-local-engine", "up --engine embedded", up, embedded=True),
    State(
        "bad-endpoint",
        "up",
        real_docker("x"),
        both(run_shell("unset DOCKER_HOST"), fake_docker),
        "or unset it",
    ),
    State(
        "no-socket",
        "up",
        real_docker("unix:///no/such/docker.sock"),
        both(run_shell("unset DOCKER_HOST"), fake_docker),
        "`unset DOCKER_HOST`",
    ),
    State("engine-unreachable", "up", real_docker("tcp://127.0.0.1:9"), fake_docker, "start the engine"),
    State(
        "no-context",
        "up",
        both(real_docker("unix:///x"), clears("DOCKER_HOST"), sets("DOCKER_CONTEXT", "nowhere")),
        both(run_shell("unset DOCKER_CONTEXT"), fake_docker),
        "`unset DOCKER_CONTEXT`",
    ),
)


def container_gone(here):
    here.engine.containers.clear()


def of_newer(here):
    up(here)
    here.database.volume = here.database.volume._replace(schema=LABEL_SCHEMA + 1)


def lost_its_volume(here):
    """Have the container of a project left without the volume that tells it from a copy."""
    here.engine.copies = ("plano-postgres",)


def worktree(here):
    """Link the `.env` of a checkout into another one."""
    up(here)
    here.shell(f"{GIT} && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m a")
    here.shell("git worktree add -q ../feature")
    here.directory = here.directory.with_name("feature")
    (here.directory / ".env").symlink_to("../shop/.env")


def without_psql(here):
    here.write("e", PRODUCTION)
    here.monkeypatch.setattr(programs, "find", lambda: None)
    here.monkeypatch.setenv("PATH", str(here.home))


def has_psql(here):
    (here.home / "psql").write_text("#!/bin/sh\n")
    (here.home / "psql").chmod(0o755)


def on_another_port(here):
    """Have a configuration for a machine where another program has Plano's port."""
    writes("config.yaml", OK.replace("12000", str(free_port())))(here)


def up_for_native(here):
    """Have a server that `up --plano native` has made."""
    up(here)
    ((name, made),) = here.engine.containers.items()
    here.engine.containers[name] = made._replace(plano="native", addresses=("127.0.0.1",))


LOCAL = OK.replace("anthropic/claude-sonnet-4-6", "ollama/l, base_url: http://localhost:11434")
LOOPBACK = OK.replace("port: 12000", "port: 12000, address: 127.0.0.1")


def password_of_kubernetes(value):
    return lambda here: line("DB_PASS", f"DB_PASS={value}")(here, "kubernetes/.env.production")


OTHERS = (
    State("database-made-by-hand", "up", by_hand(MADE_BY_HAND)),
    State("database-made-by-hand", "up", both(taken(f"{MADE_BY_HAND}-shop"), by_hand(MADE_BY_HAND))),
    *(
        State("adopt-beside-data", "up --adopt --name theirs", after(by_hand("theirs"), also), yes="--delete-data")
        for also in (nothing, container_gone)
    ),
    State(
        "copy-remains",
        "down --delete-data --yes",
        both(by_hand("theirs"), typed("up", "--adopt", "--name", "theirs")),
        then="up --name theirs-before-planodev",  # whose name is free then
    ),
    State("adopt-not-possible", "up --adopt --name theirs", by_hand("theirs", fault="it is apart")),
    State("adopt-unusual-name", "up --adopt --name theirs", by_hand("theirs", superuser="my boss")),
    State("adopt-unusual-name", "up --adopt --name theirs", by_hand("theirs", database="our talks")),
    State("data-of-another-version", "up --adopt --name theirs", by_hand("theirs", major=11)),
    State("container-without-volume", "up", lost_its_volume),
    State("container-without-volume", "up", both(taken(f"{MADE_BY_HAND}-shop"), lost_its_volume)),
    State(
        "made-by-newer-planodev",
        "up",
        of_newer,
        lambda here: here.monkeypatch.setattr(look, "LABEL_SCHEMA", LABEL_SCHEMA + 1),
        "pip install --upgrade ",  # by uv, where the environment has no pip
    ),
    State(
        "server-too-old",
        "verify",
        after(lambda here: setattr(here.database, "major", 11)),
        lambda here: setattr(here.database, "major", 16),
        "upgrade it",
    ),
    State("env-file-of-another-checkout", "up", worktree),
    State(
        "psql-missing",
        "psql --env-file e",
        after(without_psql),
        has_psql,
        "install PostgreSQL's client",
        next="connection-refused",  # the row's server is nowhere
    ),
    State(
        "localhost-endpoint",
        "production kubernetes",
        after(writes("config.yaml", LOCAL)),
        changes("config.yaml", "localhost:11434", "ollama.models.svc:11434"),
        "name their Services in `config.yaml`",
    ),
    State(
        "listener-address",
        "production neon",
        after(writes("config.yaml", LOOPBACK)),
        changes("config.yaml", "address: 127.0.0.1", "address: 0.0.0.0"),
        "write `address: 0.0.0.0`",
    ),
    *(
        State(
            "port-of-pgbouncer",
            typed_so,
            after(writes("config.yaml", OK.replace("port: 12000", "port: 6432"))),
            changes("config.yaml", "port: 6432", "port: 12000"),
            "write `port: 12000` in line 3 of `config.yaml`",
        )
        for typed_so in ("production neon", "production kubernetes")
    ),
    State(
        "password-not-literal",
        "production kubernetes",
        after(typed("production", "kubernetes"), password_of_kubernetes("p%40p")),
        password_of_kubernetes(""),
        "step 1 of PRODUCTION.md creates one",
        then="production kubernetes --generate-password",
    ),
    State("wrong-mode", "run -- planoai up --docker", both(on_another_port, has_key, up_for_native, has_planoai)),
    State("host-for-other-mode", "run -- planoai up", both(has_key, typed("up", "--plano", "docker"), has_planoai)),
)

STATES = (*SETTINGS, *ENV, *KEYS, *CONFIG, *PLACES, *ENGINE, *MORE, *OTHERS)
