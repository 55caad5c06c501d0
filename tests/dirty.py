"""Run quick tests of `make test` as on the machine of somebody who uses all this: `python -m tests.dirty [TESTS...]`.

What is in the environment is in `tests/dirty.toml`, and what is in the home directory, in which nothing can be written,
is made below: docker's contexts, programs that come first on the PATH, and what git, psql and libpq read of their user.
5432 and 12000 are taken. The checkout with its `.venv` and the temporary directory lie in paths with blanks; the umask
is 077. On Linux root has an ordinary user run them. Where an engine answers, that user may use it, and it has
containers called `plano` and `plano-postgres`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shlex
import socketserver
import subprocess
import sys
import sysconfig
import tempfile
import threading
import venv
from pathlib import Path
from typing import TYPE_CHECKING

import docker

from tests.support.checkout import copy_to
from tests.support.namespace import open_to_all
from tests.support.requirements import engine_answers
from tests.support.toml import tomllib

if TYPE_CHECKING:
    from collections.abc import Iterator

USER = 12345  # nobody's
ENVIRONMENT = Path(__file__).with_suffix(".toml")
CONTEXT = {"docker": {"Host": "tcp://engine.of-this-user.example:2376", "SkipTLSVerify": False}}
HOME = {
    ".docker/config.json": json.dumps({"currentContext": "elsewhere", "auths": {}, "credsStore": "desktop"}),
    f".docker/contexts/meta/{hashlib.sha256(b'elsewhere').hexdigest()}/meta.json": json.dumps(
        {"Name": "elsewhere", "Metadata": {}, "Endpoints": CONTEXT}
    ),
    # No name and no address: a commit is refused.
    ".gitconfig": "[core]\n\tfsmonitor = true\n\texcludesFile = ~/.gitignore\n\thooksPath = ~/.git-hooks\n"
    "\tautocrlf = true\n[commit]\n\tgpgsign = true\n[init]\n\tdefaultBranch = trunk\n[user]\n\tuseConfigOnly = true\n",
    ".gitignore": ".env*\nconfig.yaml\n",
    ".pg_service.conf": "[work]\nhost=db.of-this-user.example\nport=6543\n",
    ".pgpass": "*:*:*:*:of-this-user\n",
    ".postgresql/root.crt": "no certificate\n",
    ".psqlrc": "\\timing on\n\\x on\n",
}
PROGRAMS = {
    ".git-hooks/pre-commit": "#!/bin/sh\nexit 1\n",
    "bin/planoai": "#!/bin/sh\necho planoai, version 0.4.39\n",
    "bin/python": "#!/bin/sh\necho Python 2.7.18\nexit 1\n",
    "bin/python3": "#!/bin/sh\necho Python 3.6.15\nexit 1\n",
}


def make_home(home: Path) -> None:
    """Make a home directory in which nothing can be written."""
    for name, text in (HOME | PROGRAMS).items():
        file = home / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o755 if name in PROGRAMS else 0o600)
    for directory in (home, *filter(Path.is_dir, home.rglob("*"))):
        directory.chmod(0o555)


def make_environment(checkout: Path) -> Path:
    """Make the `.venv` of a checkout, with what this Python has; returns its Python."""
    venv.create(checkout / ".venv", symlinks=True)
    (packages,) = (checkout / ".venv").glob("lib/python*/site-packages")
    (packages / "checkout.pth").write_text(f"{checkout}\n{sysconfig.get_path('purelib')}\n")
    programs = checkout / ".venv/bin"
    for program in Path(sysconfig.get_path("scripts")).iterdir():
        if not (programs / program.name).exists():
            (programs / program.name).symlink_to(program)
    return programs / "python"


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
            "umask 022",
            open_to_all(reached),
            "umask 077",
            f"exec setpriv --reuid={USER} --regid={USER} --clear-groups {shlex.join(command)}",
        ]
    )
    return ["unshare", "-m", "sh", "-c", script]


@contextlib.contextmanager
def server_of_this_user(port: int) -> Iterator[None]:
    """Hold a port as a server does that ends what it does not know; a silent one would be waited for in each login."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", port), socketserver.BaseRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.shutdown()


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="planodev-dirty-") as name, contextlib.ExitStack() as taken:
        place = Path(name).resolve()
        place.chmod(0o755)
        checkout = copy_to(place / "my checkout of planodev")
        home, temporary = place / "home", place / "temporary files"
        make_home(home)
        temporary.mkdir()
        for port in (5432, 12000):
            with contextlib.suppress(OSError):  # somebody else has it
                taken.enter_context(server_of_this_user(port))
        taken.enter_context(containers())
        theirs = {name: value.format(home=home) for name, value in tomllib.loads(ENVIRONMENT.read_text()).items()}
        path = f"{home / 'bin'}{os.pathsep}{os.environ['PATH']}"
        environment = {**theirs, "HOME": str(home), "PATH": path, "TMPDIR": str(temporary)}
        python = make_environment(checkout)
        tests = sys.argv[1:] or ["tests"]
        command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "quick and not slow", *tests]
        if sys.platform == "linux" and os.geteuid() == 0:
            reached = [Path(sys.executable), Path(sys.base_prefix)]
            command = as_ordinary_user(command, [checkout, home, temporary], reached)
        return subprocess.run(command, cwd=checkout, env=environment, umask=0o077, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
