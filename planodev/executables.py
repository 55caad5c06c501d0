"""Programs of this machine, started so that a project's own files are never among them."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Variables that decide what a program loads, runs or trusts; a file of the project may not set them for a command.
_STEERING = (
    r"(?i)(LD|DYLD|NODE|NPM|GEM|BASH|GIT|SSH|DOCKER|PLANODEV|XDG|PIP|UV|MALLOC|GLIBC|JAVA)(_.*)?"
    r"|(PYTHON|PERL|RUBY|ZDOT|PSQL).*"
    r"|(COM|WIN)?(PATH|SPEC|DIR)(EXT)?|HOME|USERPROFILE|SYSTEMROOT|SHELL|IFS|ENV|CDPATH|CLASSPATH|GCONV_PATH|LOCPATH"
    r"|PS4|PROMPT_COMMAND|EDITOR|VISUAL|PAGER|LESS(OPEN|CLOSE)|BROWSER|TE?MP(DIR)?|_JAVA_OPTIONS|OPENSSL_CONF"
    r"|PG(SERVICE|SERVICEFILE|PASSFILE|SYSCONFDIR|LOCALEDIR|HOSTADDR|OPTIONS|(SSL|GSS|KRB|REQUIRE).*)"
    r"|(CARGO|RUST\w*|GO|DOTNET|CORECLR|COR|LUA|PHP|ERL|JULIA|GUILE|TCL|COMPOSE|BUILDKIT|BUILDX|CLOUDSDK|KRB5)_.*"
    r"|GO(FLAGS|PROXY|ROOT|BIN)|RUSTC|RUSTFLAGS|CC|CXX|MAKE(FLAGS|FILES)|KUBECONFIG|PHPRC|R_(PROFILE|ENVIRON|LIBS).*"
    r"|AWS_(CONFIG_FILE|SHARED_CREDENTIALS_FILE|CA_BUNDLE|ENDPOINT_URL.*|CONTAINER_.*)|GOOGLE_EXTERNAL_.*"
    r"|HOSTALIASES|RES_OPTIONS|RESOLV_.*|LOCALDOMAIN|TERM(INFO.*|CAP)|TZDIR|NLSPATH|(FTP|GRPC|SOCKS\d?|RSYNC|WSS?)_PROXY"
    r"|SSLKEYLOGFILE|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|(HTTPS?|ALL|NO)_PROXY"
)


def find(name: str, environment: Mapping[str, str] | None = None, *, windows: bool = os.name == "nt") -> str | None:
    """Return the path of a program, None where there is none.

    Only absolute directories of the PATH count: an empty entry and `.` stand for the current directory, which may be a
    repository that was just cloned, and Windows looks there unasked.

    Args:
        name: a file name alone.
        environment: for PATH and, on Windows, PATHEXT; default the process's.
        windows: whether a program's name has an ending that may be left out.

    """
    given = os.environ if environment is None else environment
    path = given.get("PATH", os.defpath)
    ends = tuple(given.get("PATHEXT", ".COM;.EXE;.BAT;.CMD").split(";")) if windows else ("",)
    if name.upper().endswith(tuple(end.upper() for end in ends if end)):
        ends = ("",)
    for directory in _absolute(path):
        for end in ends:
            file = os.path.join(directory, name + end)  # noqa: PTH118  keeps the directory as PATH has it
            if os.access(file, os.X_OK) and Path(file).is_file():
                return file
    return None


def without_python(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment for a program in Python, which loads its own modules and no others.

    A PYTHONPATH with an empty entry stands for the current directory, and a `sitecustomize.py` in it would be run.
    """
    return {name: value for name, value in environment.items() if not name.startswith("PYTHON")}


def steers(name: str) -> bool:
    """Say whether a variable decides what programs load, run or trust, so that no file may set it for a command."""
    return re.fullmatch(_STEERING, name) is not None


@contextmanager
def absolute_path() -> Iterator[None]:
    """Have libraries that start programs find them as `find` does, within a `with`."""
    before = os.environ.get("PATH")
    os.environ["PATH"] = os.pathsep.join(_absolute(before or os.defpath))
    try:
        yield
    finally:
        if before is None:
            del os.environ["PATH"]
        else:
            os.environ["PATH"] = before


def _absolute(path: str) -> list[str]:
    return [directory for directory in path.split(os.pathsep) if os.path.isabs(directory)]  # noqa: PTH117  as above
