"""Run quick tests of `make test` as on the machine of somebody who uses all this: `python -m tests.dirty [TESTS...]`.

planoai is on the PATH; DB_*, PG*, DOCKER_*, PLANODEV_* and provider keys are in the environment; `~/.docker` has a
context of another machine, which is chosen; 5432 and 12000 are taken; LANG is C; the checkout lies in a path with
blanks; git has no identity. On Linux root has an ordinary user run them. Where an engine answers, that user may use it,
and it has containers called `plano` and `plano-postgres`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import docker

from tests.support.checkout import copy_to
from tests.support.namespace import open_to_all
from tests.support.ports import listening
from tests.support.requirements import engine_answers

USER = 12345  # nobody's
ENVIRONMENT = {
    "ANTHROPIC_API_KEY": "sk-ant-of-this-user",
    "DATABASE_URL": "postgresql://me:secret@db.of-this-user.example/app",
    "DB_HOST": "db.of-this-user.example",
    "DB_NAME": "app",
    "DB_PASS": "secret",
    "DB_PORT": "6543",
    "DB_USER": "me",
    "DOCKER_CONTEXT": "elsewhere",
    "DOCKER_TLS_VERIFY": "1",
    "GROQ_API_KEY": "gsk-of-this-user",
    "LANG": "C",
    "MISTRAL_API_KEY": "m-of-this-user",
    "OPENAI_API_KEY": "sk-of-this-user",
    "PGDATABASE": "app",
    "PGHOST": "db.of-this-user.example",
    "PGOPTIONS": "-c search_path=app",
    "PGPASSWORD": "secret",
    "PGPORT": "6543",
    "PGSSLMODE": "verify-full",
    "PGUSER": "me",
    "PLANODEV_MODEL": "ollama/llama3.1",
    "PLANODEV_PLANO": "native",
    "PLANODEV_PORT": "7654",
}
PLANOAI = "#!/bin/sh\necho planoai, version 0.4.39\n"


def make_home(home: Path) -> None:
    """Make a home directory with a Docker configuration that has a context of another machine, and planoai."""
    meta = home / ".docker/contexts/meta" / hashlib.sha256(b"elsewhere").hexdigest()
    meta.mkdir(parents=True)
    endpoint = {"docker": {"Host": "tcp://engine.of-this-user.example:2376", "SkipTLSVerify": False}}
    (meta / "meta.json").write_text(json.dumps({"Name": "elsewhere", "Metadata": {}, "Endpoints": endpoint}))
    (home / ".docker/config.json").write_text(json.dumps({"currentContext": "elsewhere", "auths": {}}))
    program = home / "bin/planoai"
    program.parent.mkdir()
    program.write_text(PLANOAI)
    program.chmod(0o755)


@contextlib.contextmanager
def containers():
    """Have containers by the names that planodev and planoai take, where an engine answers."""
    if not engine_answers():
        yield
        return
    api, made = docker.APIClient(version="auto", timeout=60), []
    try:
        for name in ("plano", "plano-postgres"):
            made.append(api.create_container("postgres:16", entrypoint=["sleep", "3600"], name=name)["Id"])
            api.start(made[-1])
        yield
    finally:
        for number in made:
            api.remove_container(number, force=True, v=True)


def as_ordinary_user(command: list[str], owned: list[Path], reached: list[Path]) -> list[str]:
    """Return the command as root runs it for another user, in mounts of its own that let that one through."""
    socket = Path("/var/run/docker.sock")
    script = "\n".join(
        [
            "set -e",
            "mount --make-rprivate /",
            *(f"chown -R {USER}:{USER} {shlex.quote(str(path))}" for path in owned),
            f"[ ! -S {socket} ] || chmod 666 {socket}",
            open_to_all(reached),
            f"exec setpriv --reuid={USER} --regid={USER} --clear-groups {shlex.join(command)}",
        ]
    )
    return ["unshare", "-m", "sh", "-c", script]


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="planodev-dirty-") as name, contextlib.ExitStack() as taken:
        place = Path(name).resolve()
        place.chmod(0o755)
        checkout = copy_to(place / "my checkout of planodev")
        home = place / "home"
        make_home(home)
        for directory in ("tmp", "state"):
            (place / directory).mkdir()
        for port in (5432, 12000):
            with contextlib.suppress(OSError):  # somebody else has it
                taken.enter_context(listening(port))
        taken.enter_context(containers())
        kept = {key: os.environ[key] for key in ("PATH", "CI") if key in os.environ}
        environment = {
            **kept,
            **ENVIRONMENT,
            "HOME": str(home),
            "PATH": f"{home / 'bin'}{os.pathsep}{kept['PATH']}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": str(checkout),
            "TMPDIR": str(place / "tmp"),
        }
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-m",
            "quick and not slow",
            *(sys.argv[1:] or ["tests"]),
        ]
        if sys.platform == "linux" and os.geteuid() == 0:
            reached = [Path(sys.executable), Path(sys.base_prefix)]
            command = as_ordinary_user(command, [checkout, home, place / "tmp", place / "state"], reached)
        return subprocess.run(command, cwd=checkout, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
