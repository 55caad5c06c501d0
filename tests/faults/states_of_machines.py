"""States of a machine: files that this user may not use, and what others are at this moment doing.

See `tests.faults.states`. Root goes without the rights by which no mode keeps it out: `tests.support.without_rights`.
"""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading

from planodev import rendering
from planodev.engines import Output
from tests.faults.states import State, after, both, has_git, line, sets, up, writes
from tests.faults.states_of_engines import OWN, begun, goes_on, registry
from tests.support import engine_server as bad
from tests.support import without_rights
from tests.support.engine_server import well, whole
from tests.support.requirements import as_root


def shut(name):
    """Have a directory that may only be read, for a user who is kept out by that."""

    def run(here):
        path = here.directory / name
        path.mkdir(exist_ok=True)
        path.chmod(0o555)
        here.at_end(lambda: path.chmod(0o755))
        without_rights.take(here.at_end)

    return run


def opened(name):
    return lambda here: (here.directory / name).chmod(0o755)


def link(name, to):
    return lambda here: (here.directory / name).symlink_to(to)


def of_another(here):
    """Have a directory in which everybody may make files, and nobody may replace those of others."""
    as_root()
    has_git(here)
    here.shell(f"git config --global --add safe.directory {here.directory}")
    here.write(".gitignore", "dist\n")
    for path in (here.directory, here.directory / ".gitignore"):
        os.chown(path, 1, 1)
    here.directory.chmod(0o1777)
    (here.directory / ".gitignore").chmod(0o666)
    without_rights.take(here.at_end)


def adds(name, text):
    def run(here):
        with (here.directory / name).open("a") as file:
            file.write(text)

    return run


def of_another_owner(here):
    """Have a repository of another owner, which git refuses."""
    as_root()
    here.monkeypatch.delenv("SUDO_UID", raising=False)
    has_git(here)
    for path in (here.directory, *here.directory.rglob("*")):
        os.chown(path, 1, 1, follow_symlinks=False)


def without_git(here):
    has_git(here)
    here.path = os.environ["PATH"]
    here.monkeypatch.setenv("PATH", str(here.home))


HOLDS = """\
import sys
from pathlib import Path
from planodev.project import identity, lock
with lock.hold(identity.at(Path.cwd()), 5):
    print("held", flush=True)
    sys.stdin.read()
"""


def process(here, *command, **more):
    started = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **more)
    here.at_end(lambda: (started.kill(), started.wait(), started.stdin.close(), started.stdout.close()))
    return started


def held_by_another(here):
    """Have another program hold the project's lock."""
    here.holder = process(here, sys.executable, "-c", HOLDS, cwd=here.directory)
    assert here.holder.stdout.readline() == "held\n"


def stops_while_read(here):
    """Have a server that stops while its log is followed."""
    up(here)
    logs = here.engine.logs

    def then_stopped(container, lines=0, *, since=""):
        if since:
            here.engine.stop(next(iter(here.engine.containers.values())), 1)
        return logs(container, lines, since=since)

    here.monkeypatch.setattr(here.engine, "logs", then_stopped)


def frozen(here):
    """Have a server that answers no statement of the proof, until it is started again."""
    up(here)
    run, stop, state = here.engine.psql, here.engine.stop, {"frozen": True}

    def answered(where, script, env, **more):
        if state["frozen"] and "planodev_put" in script:
            facts = run(where, script, env, **more).out.splitlines()[0]
            return Output(3, f"{facts}\n", "ERROR:  57014: canceling statement due to statement timeout")
        return run(where, script, env, **more)

    def stopped(container, timeout):
        state["frozen"] = False
        stop(container, timeout)

    here.monkeypatch.setattr(here.engine, "psql", answered)
    here.monkeypatch.setattr(here.engine, "stop", stopped)


def says_to_logins(text, times):
    """Have a server that says something to so many logins, by which it is no longer what it says."""

    def run(here):
        up(here)
        left, refusal = [text] * times, here.database.refusal
        here.monkeypatch.setattr(here.database, "refusal", lambda env: left.pop() if left else refusal(env))

    return run


def no_threads(here):
    def refused(thread):
        if threading.current_thread() is not threading.main_thread():
            return here.starts(thread)  # of the stand-in, which is another program's
        raise RuntimeError("can't start new thread")

    here.starts = threading.Thread.start
    here.monkeypatch.setattr(threading.Thread, "start", refused)


def threads(here):
    here.monkeypatch.setattr(threading.Thread, "start", here.starts)


def without(name):
    """Have a part of planodev that is not installed."""

    def run(here):
        rendering.environment.cache_clear()  # of a command before, in this process, which had jinja2
        here.monkeypatch.setitem(sys.modules, name, None)

    return run


def there(name):
    return lambda here: here.monkeypatch.delitem(sys.modules, name)


def closed_snapshots(here):
    here.monkeypatch.setenv("XDG_DATA_HOME", str(here.home / "data"))
    place = here.home / "data/planodev/snapshots"
    place.mkdir(parents=True)
    place.chmod(0)
    here.closed = place
    here.at_end(lambda: place.chmod(0o755))
    without_rights.take(here.at_end)


def refused_by_system(error, command):
    """Have the system refuse something, until a command has raised the limit of the shell."""

    def run(here):
        look = here.engine.observe

        def refused(*_, **__):
            raise error

        here.monkeypatch.setattr(here.engine, "observe", refused)
        here.others[command] = lambda here: here.monkeypatch.setattr(here.engine, "observe", look)

    return run


def in_the_way(here):
    """Have a file where planodev has a directory of its own."""
    look, file = here.engine.observe, here.home / "a file"
    file.write_text("")

    def observe(*given, **more):
        if file.exists():
            raise NotADirectoryError(errno.ENOTDIR, "Not a directory", str(file))
        return look(*given, **more)

    here.monkeypatch.setattr(here.engine, "observe", observe)


def lost_labels(here):
    """Have a container that loses its labels once, between a list and a look at it."""
    begun()(here)
    container = here.server.engine.by_name("plano-postgres")
    item = {**container, "Config": {**container["Config"], "Labels": {}}}
    here.server.bad.append(("GET /containers/.*[0-9a-f]/json", bad.one_by_one(well(whole(200, item)), goes_on)))


def for_this_machine(here):
    up(here)
    here("production", "self-hosted", "--host", "db.invalid", "--direct")
    for key in ("DB_USER", "DB_PASS", "ANTHROPIC_API_KEY"):
        line(key, f"{key}=x1")(here, ".env.production")
    line("DB_HOST", "DB_HOST=127.0.0.1")(here, ".env.production")
    line("DB_PORT", "DB_PORT=1")(here, ".env.production")


STATES = (
    State("project-unknown", "forget /nowhere", begun(), then="forget"),
    State("project-still-there", "forget .", begun(), yes="--delete-data", then="list"),
    State("directory-unwritable", "up", shut(".")),
    State("config-file-unwritable", "up --config sub/config.yaml", shut("sub"), opened("sub"), "writable for you"),
    State(
        "env-file-unwritable",
        "up",
        both(writes("sub/env", "A=1\n"), link(".env", "sub/env"), shut("sub")),
        opened("sub"),
        "writable for you",
    ),
    State("gitignore-unwritable", "up", of_another, adds(".gitignore", ".env\n"), "or add the line `.env`"),
    State("env-file-not-checked", "up", of_another_owner),
    State("env-file-not-checked", "up", without_git, lambda here: sets("PATH", here.path)(here), "install git"),
    State("locked", "up --timeout 1", held_by_another),
    State("server-ended", "logs --follow", stops_while_read, then="logs"),
    State("statement-timed-out", "verify", frozen),
    State("not-ready", "verify", says_to_logins("FATAL:  the database system is starting up", 2)),
    State("no-threads", OWN, both(registry(lambda *_: None), no_threads), threads, "end other programs"),
    State("not-loaded", "production neon", after(without("jinja2")), there("jinja2"), "reinstall planodev"),
    State("file-forbidden", "snapshot list", closed_snapshots, lambda here: here.closed.chmod(0o755), "make it yours"),
    State("out-of-memory", "up", refused_by_system(MemoryError(), "ulimit -v unlimited")),
    State("too-many-open-files", "up", refused_by_system(OSError(errno.EMFILE, "Too many"), "ulimit -n 1024")),
    State("disk-full", "up", refused_by_system(OSError(errno.EFBIG, "File too large"), "ulimit -f unlimited")),
    State("file-unusable", "up", in_the_way),
    State("container-changed", "status", lost_labels),
    State(
        "loopback-host",
        "verify --env-file .env.production",
        for_this_machine,
        lambda here: line("DB_HOST", "DB_HOST=db.invalid")(here, ".env.production"),
        "set DB_HOST to an address",
        next="name-not-found",  # the row's server is nowhere
    ),
    State("login-failed", "verify", says_to_logins("FATAL:  something that nobody has seen", 1)),
)
