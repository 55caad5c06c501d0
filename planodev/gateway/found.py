"""Find a Plano on this machine: its processes or its container, its sockets, and where it was started.

Sources: planoai 0.4.39 `consts.py` (one container called `plano`, one PID file), `native_runner.py:175-250` (the
programs, their environment and logs), `docker_cli.py:67-130` (what is mounted, and the whole environment).
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from planodev import paths
from planodev.plano import planoai
from planodev.project import json_file, regular_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planodev.look import Seen

RUN = ".plano/run"
_MOUNTED = "/app/plano_config.yaml"
# In Plano's container: its TCP sockets, then the names of its processes. It has `cat`, but no `ss`.
_SOCKETS_AND_PROCESSES = "cat /proc/net/tcp /proc/net/tcp6 2>/dev/null; cat /proc/[0-9]*/comm"
# In /proc/net/tcp: local and remote port of an established connection; source: proc(5).
_ESTABLISHED = r"(?m)^\s*\d+: [0-9A-F]+:([0-9A-F]{4}) [0-9A-F]+:([0-9A-F]{4}) 01 "


class Socket(NamedTuple):
    """The two ports of an established connection."""

    local: int
    remote: int


class Found(NamedTuple):
    """One Plano.

    Args:
        mode: where it runs, `docker` or `native`.
        where: for people, such as `process 4711`.
        brightstaff: whether the part that talks to the database runs.
        envoy: whether the part that listens runs.
        directory: where it was started, None where that cannot be seen.
        variables: the environment that it was started with, as far as that can be seen.
        sockets: of brightstaff, or of its container; None where they cannot be seen.
        processes: ids of the running processes of a native one.
        error: why the engine could not start its container, "" where it could.

    """

    mode: str
    where: str
    brightstaff: bool
    envoy: bool
    directory: Path | None = None
    variables: Mapping[str, str] = MappingProxyType({})
    sockets: tuple[Socket, ...] | None = None
    processes: tuple[int, ...] = ()
    error: str = ""

    def __repr__(self) -> str:
        """Return it without the variables, which hold passwords and keys."""
        runs = f"brightstaff={self.brightstaff}, envoy={self.envoy}"
        return f"Found({self.mode!r}, {self.where!r}, {runs}, {self.directory!r})"

    @property
    def runs(self) -> bool:
        """Whether any of it runs."""
        return self.brightstaff or self.envoy

    @property
    def stop(self) -> str:
        """What stops it."""
        return "planoai down --docker" if self.mode == "docker" else "planoai down"

    @property
    def ended(self) -> list[str]:
        """Its programs that do not run, brightstaff first."""
        parts = (("brightstaff", self.brightstaff), ("envoy", self.envoy))
        return [name for name, runs in parts if not runs]

    @property
    def log(self) -> str:
        """Where it has written why it ended, for people."""
        files = " and ".join(f"`~/{RUN}/logs/{name}.log`" for name in self.ended or ["brightstaff"])
        return f"`docker logs {planoai.CONTAINER}`" if self.mode == "docker" else files

    def as_ended_first(self, name: str) -> Found:
        """Return it with the one program whose end has ended the others, as what has ended by itself."""
        return self._replace(brightstaff=name != "brightstaff", envoy=name != "envoy")

    @property
    def end(self) -> str:
        """What ends it by force, where that has not stopped it."""
        processes = " ".join(map(str, self.processes))
        return f"docker rm -f {planoai.CONTAINER}" if self.mode == "docker" else f"kill -9 {processes}"


def find(seen: Seen) -> list[Found]:
    """Return each Plano on this machine, those that run first; one that has died is included."""
    found = [native(seen.environment), _in_docker(seen)]
    return sorted((one for one in found if one), key=lambda one: not one.runs)


def home(environment: Mapping[str, str]) -> Path:
    """Return the directory below which planoai has what it writes."""
    return Path(environment["HOME"]) if environment.get("HOME") else Path.home()


def native(environment: Mapping[str, str]) -> Found | None:
    """Return the Plano that planoai has started as processes of this user, None where it has none."""
    try:
        numbers = json_file.read(home(environment) / planoai.PID_FILE)
    except PermissionError:
        return None
    if numbers is None:
        return None
    brightstaff, envoy = (_process(numbers.get(f"{name}_pid"), name) for name in ("brightstaff", "envoy"))
    alive = brightstaff or envoy
    if alive is None:
        return Found("native", "its processes have ended", brightstaff=False, envoy=False)
    variables, directory, sockets = _facts(alive)
    where = f"process {alive.pid}"
    runs = (brightstaff is not None, envoy is not None)
    processes = tuple(process.pid for process in (brightstaff, envoy) if process)
    return Found("native", where, *runs, directory, variables, brightstaff and sockets, processes)


def _process(number: object, name: str) -> Any:  # noqa: ANN401  psutil is loaded late
    """Return the process with this id if it is still this program, else None."""
    import psutil

    if not isinstance(number, int):
        return None
    with suppress(psutil.Error, ValueError, OverflowError):
        process = psutil.Process(number)
        if process.status() != psutil.STATUS_ZOMBIE and name in (Path(word).name for word in process.cmdline()[:2]):
            return process
    return None


def _facts(process: Any) -> tuple[dict[str, str], Path | None, tuple[Socket, ...] | None]:  # noqa: ANN401
    import psutil

    variables: dict[str, str] = {}
    directory, sockets = None, None
    with suppress(psutil.Error, OSError):
        variables = process.environ()
    with suppress(psutil.Error, OSError):
        directory = Path(process.cwd())
    with suppress(psutil.Error, OSError):
        both = [one for one in process.net_connections("tcp") if one.status == psutil.CONN_ESTABLISHED]
        sockets = tuple(Socket(one.laddr.port, one.raddr.port) for one in both)
    return variables, directory, sockets


def _in_docker(seen: Seen) -> Found | None:
    # The engine's containers are listed already: usually none has this name, and nothing has to be asked.
    if planoai.CONTAINER not in seen.observed.taken:
        return None
    from planodev.engines.docker import other_container as others

    other = others.look_into(seen.engine, planoai.CONTAINER, ["sh", "-c", _SOCKETS_AND_PROCESSES])
    if other is None or _MOUNTED not in other.mounts:
        return None
    names = other.said.splitlines()
    sockets = tuple(Socket(int(local, 16), int(remote, 16)) for local, remote in re.findall(_ESTABLISHED, other.said))
    directory = other.variables.get("PWD") or str(Path(other.mounts[_MOUNTED]).parent)
    where, parts = f"container `{planoai.CONTAINER}`", ("brightstaff" in names, "envoy" in names)
    seen_of_it = sockets if other.said else None
    return Found("docker", where, *parts, Path(directory), other.variables, seen_of_it, error=other.error)


def missing(environment: Mapping[str, str]) -> list[str]:
    """Return the programs of Plano that planoai has not downloaded yet, in its order; it starts none before all."""
    directory = home(environment) / ".plano"
    files = {"Envoy": "bin/envoy", "Plano's filters": "plugins/llm_gateway.wasm", "brightstaff": "bin/brightstaff"}
    return [name for name, file in files.items() if not paths.exists(directory / file)]


def log_file(environment: Mapping[str, str], name: str) -> Path:
    """Return where a program of a native Plano writes its log."""
    return home(environment) / RUN / f"logs/{name}.log"


def rendered(environment: Mapping[str, str]) -> str:
    """Return the configuration that the last native Plano was given, with its variables substituted; it has secrets."""
    with suppress(OSError):
        return regular_file.text(home(environment) / RUN / "plano_config_rendered.yaml")
    return ""
