"""Whose Plano runs here, and whether it remembers: judged by its connection to the database, never by start times.

Plano opens one connection when it starts, and never another: once that is lost, chats are answered without a history.
Source: Plano 0.4.36 `crates/brightstaff/src/state/postgresql.rs`.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from planodev import paths
from planodev.address import other_database
from planodev.engines import port_holders
from planodev.gateway import ended, log
from planodev.gateway import found as places
from planodev.plano import planoai, rules, storage
from planodev.postgres.connection import LOOPBACK
from planodev.problems import BadInput, Command, Fix, Problem
from planodev.project import env_keys
from planodev.project.log_masking import masked, secrets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from planodev.gateway.found import Found
    from planodev.gateway.log import NotStored
    from planodev.look import Seen
    from planodev.plano.config_file import ConfigFile
    from planodev.postgres.proof import Evidence

State = Literal[
    "not-running", "connected", "without-memory", "without-variables", "other-project", "died", "port-taken"
]


class Running(NamedTuple):
    """The state of Plano for one project.

    Args:
        state: `connected` to the project's database; `without-memory`, which has no connection to it;
            `without-variables`, which was started without `DB_USER` and the like; that of an `other-project`; `died`
            since it was started; `port-taken` by something that is no Plano; `not-running`.
        port: of the model listener.
        found: what was seen of it, None where there is none.
        why: the cause, or who has the port.
        taken: the port that something else has, 0 for none.

    """

    state: State
    port: int
    found: Found | None = None
    why: str | None = None
    taken: int = 0

    @property
    def runs(self) -> bool:
        """Whether a Plano of this project runs, however well."""
        mine = self.state not in ("not-running", "other-project", "port-taken")
        return mine and self.found is not None and self.found.runs

    def as_json(self) -> dict[str, Any]:
        """Return `running_plano` of `--json`."""
        found = self.found
        return {
            "state": self.state,
            "mode": found.mode if found else None,
            "directory": str(found.directory) if found and found.directory else None,
            "port": self.port,
            "why": f"{self.why}, at port {self.taken}" if self.taken not in (0, self.port) else self.why,
        }

    def __str__(self) -> str:
        """Return it as `status` shows it."""
        said = f"port {self.taken} taken" if self.taken else self.state.replace("-", " ")
        if self.state == "not-running" or self.found is None:
            return said if self.why is None else f"{said}: {self.why}"
        if self.state == "other-project":
            return f"that of {self.found.directory or 'another project'} ({self.found.where})"
        return f"{'running, ' if self.runs and self.state != 'died' else ''}{said} ({self.found.where})"


def look(seen: Seen, evidence: Evidence | None = None) -> Running:
    """Return the state of Plano for a project; nothing is changed.

    Args:
        seen: the project.
        evidence: what the database says of itself, where it was asked: its sessions confirm the connection.

    """
    port, facts = rules.model_port(seen.config), evidence.facts if evidence else None
    judged = [_judged(seen, one, facts) for one in places.find(seen)]
    mine = next((one for one in judged if one.state not in ("other-project", "not-running")), None)
    one = mine or next((one for one in judged if one.state == "other-project"), None)
    if one:
        return one._replace(port=port)
    held = _held(seen)
    return Running("port-taken", port, why=held[1], taken=held[0]) if held else Running("not-running", port)


def _judged(seen: Seen, found: Found, facts: Mapping[str, Any] | None) -> Running:
    if not found.runs:
        return _ended(seen, found)
    if _is_connected(seen, found, facts):
        return Running("connected", 0, found)
    if not _is_ours(seen, found):
        return Running("other-project", 0, found)
    lacks = _lacks(seen, found)
    if lacks:
        return Running("without-variables", 0, found, lacks)
    if found.brightstaff and (found.envoy or found.mode == "docker"):
        return Running("without-memory", 0, found, "it has no connection to this database, and never reconnects")
    unknown = f"{'Envoy' if found.brightstaff else 'brightstaff'} has ended, and its log does not say why"
    return Running("died", 0, found, cause(seen, found) or unknown)


def _ended(seen: Seen, found: Found) -> Running:
    """Judge a Plano without running processes: it died, since `planoai down` would have removed its traces."""
    return _container_ended(seen, found) if found.mode == "docker" else _processes_ended(seen, found)


def _container_ended(seen: Seen, found: Found) -> Running:
    ours = _is_ours(seen, found)
    if found.error and ours:
        return Running("died", 0, found, _told(found.error, seen))
    texts = log.of_ended(found, seen.environment, seen.engine) if ours else []
    if not texts:
        return Running("not-running", 0)
    lacks = _lacks(seen, found)
    if lacks:
        return Running("without-variables", 0, found, lacks)
    unknown = "one of its programs has ended, and its log does not say why"
    line = log.cause(texts)
    return Running("died", 0, found, _told(line, seen) if line else unknown)


def _processes_ended(seen: Seen, found: Found) -> Running:
    why, last = cause(seen, found), places.rendered(seen.environment)
    literally = _UNSET in last
    if why is None or not (literally or any(f":{port}/" in last for port in _ports(seen))):
        return Running("not-running", 0)  # another project's, or one that did not store
    return Running("without-variables" if literally else "died", 0, found, why)


def _is_connected(seen: Seen, found: Found, facts: Mapping[str, Any] | None) -> bool:
    wanted = _ports(seen)
    mine = [socket for socket in found.sockets or () if socket.remote in wanted]
    if not mine or facts is None or other_database(seen):
        return bool(mine)
    sessions = facts.get("sessions") or []
    # Connections to a container go through Docker's proxy, so the server sees other ports than Plano has.
    direct = found.mode == "native" and not seen.engine.traits.containers
    return any(socket.local in sessions for socket in mine) if direct else bool(sessions)


def _ports(seen: Seen) -> set[int]:
    """Return the ports of the database that the project's Plano stores in."""
    other = other_database(seen)
    if other:
        return {port for _, port in other.hosts}
    have = seen.observed.container
    return {port for port in (seen.credentials.port, have.port if have else None) if port}


def _is_ours(seen: Seen, found: Found) -> bool:
    """Say whether a Plano was started for this project: in its directory, or with its password."""
    here = seen.project.path
    if found.directory == here:
        return True
    if found.directory and paths.is_file(found.directory / ".env"):
        return False
    if found.directory and here in found.directory.parents:
        return True
    password = found.variables.get(env_keys.PASSWORD)
    return bool(password) and password == seen.env.values.get(env_keys.PASSWORD)


def _lacks(seen: Seen, found: Found) -> str | None:
    """Return that a Plano was started without variables of its connection string, None where it has all of them."""
    needed: list[str] = []
    with suppress(BadInput):  # reported where it is judged
        needed = storage.variables(seen.config.connection_string or "")
    lacks = [name for name in needed if found.variables and name not in found.variables]
    return f"it was started without {', '.join(lacks)}" if lacks else None


def taken(seen: Seen) -> Problem | None:
    """Return the problem of the first port of Plano's that something has which is no Plano, None where all are free."""
    held = _held(seen)
    return port_taken(seen.config, *held) if held else None


def _held(seen: Seen) -> tuple[int, str] | None:
    """Return the first port that Plano would open and somebody has, and who; None where all are free or far away."""
    if seen.mode == "docker" and not seen.engine.info.local:
        return None
    listeners = rules.ports_of(seen.config)
    # Plano's own parts listen at every address, natively.
    places: list[tuple[int, tuple[str, ...]]] = [(port, (LOOPBACK,)) for port in listeners]
    places += [(port, (LOOPBACK, _EVERYWHERE)) for port in _of_plano(seen) if port not in listeners]
    found = (
        (port, seen.observed.published.get(port) or port_holders.holder(port, addresses)) for port, addresses in places
    )
    return next(((port, holder) for port, holder in found if holder), None)


_EVERYWHERE = "0.0.0.0"  # noqa: S104  where others listen


def _of_plano(seen: Seen) -> list[int]:
    """Return the ports that Plano opens besides its listeners, and does not start without."""
    if seen.mode == "docker":
        return list(planoai.PUBLISHED)
    return [port for port in rules.ports_of_plano(_content(seen.config)) if port != planoai.METRICS_PORT]


def _content(config: ConfigFile) -> Mapping[str, Any]:
    try:
        return config.content or {}
    except BadInput:  # reported where it is judged
        return {}


def port_taken(config: ConfigFile, port: int, holder: str) -> Problem:
    """Return the problem of a port of Plano's that another has."""
    content = _content(config)
    path = next((path for path, entry, _ in rules.listeners_of(content) if entry.get("port") == port), None)
    parts = planoai.PARTS | planoai.PUBLISHED
    text = f"port {port}, where Plano is to listen, is taken by {holder}"
    fix = "stop that program"
    if not path and port in parts:
        text = f"port {port}, which Plano opens for {parts[port]}, is taken by {holder}"
        fix += ": Plano opens that port whatever its configuration says"
    elif not path and port in _USUAL and port in rules.ports_of_plano(content):
        kind, listed = _USUAL[port], isinstance(content.get("listeners"), list)
        entry = f"{{type: {kind}, name: {kind}_listener, port: {rules.free_port(content, kind, {port})}}}"
        fix += f", or add `- {entry}` under `listeners:`" if listed else ""
    else:
        fix += f", or write another `port:` for the listener in {config.where(*(path or ('listeners',)))}"
    return Problem("plano-port-taken", text, fix, "it is not a Plano that this project can use")


_USUAL = {planoai.MODEL_PORT: "model", planoai.PROMPT_PORT: "prompt"}  # of a listener that is not written
_UNSET = f"${{{env_keys.PREFIX}"  # in what planoai has rendered, where it was given no DB_*
_LONGEST = 300  # characters of a line of a log


def cause(seen: Seen, found: Found, *, last: bool = False) -> str | None:
    """Return the line of a Plano's log that says why it has ended, without secrets; None where none does.

    Args:
        seen: the project.
        found: the Plano.
        last: whether it is known to have ended by itself: then its last line will do.

    """
    line = log.cause(log.of_ended(found, seen.environment, seen.engine), last=last)
    return _told(line, seen) if line else None


def _told(line: str, seen: Seen) -> str:
    said = " ".join(masked(line, secrets(seen)))
    return said if len(said) <= _LONGEST else f"{said[:_LONGEST]}…"


def not_stored(seen: Seen, found: Found) -> NotStored | None:
    """Return why a running Plano has not stored the last turn, by its log, without secrets; None where none says."""
    told = log.not_stored(found, seen.environment, seen.engine)
    return told and told._replace(line=_told(told.line, seen))


def problem(running: Running, config: ConfigFile, judged: Sequence[Problem] = ()) -> Problem | None:
    """Return the problem of a Plano that does not store conversations, or cannot be started; else None.

    Args:
        running: what was seen.
        config: the configuration of now.
        judged: what is wrong with that, as far as it is known: a Plano that died of it would die again.

    """
    found = running.found
    if running.state == "port-taken":
        return port_taken(config, running.taken, running.why or port_holders.UNKNOWN)
    if running.state in ("not-running", "connected") or found is None:
        return None
    if running.state == "other-project":
        return another(found)
    code, text = {
        "without-memory": (
            "plano-without-memory",
            f"Plano is running ({found.where}) without its connection to this database, and answers without history",
        ),
        "without-variables": (
            "plano-without-variables",
            f"Plano was started without `planodev run`, which gives it `{env_keys.USER}` and the like",
        ),
        "died": ("plano-died", f"Plano has died since it was started ({found.where})"),
    }[running.state]
    died = running.state == "died"
    fix = ended.mended(found, running.why, config.path.name, judged) if died else restart(found)
    return Problem(code, text, fix, running.why)


def another(found: Found) -> Problem:
    """Return the warning that the only Plano of this machine is another project's."""
    whose = f"`{found.directory}`" if found.directory else "another project"
    text = f"the running Plano ({found.where}) belongs to {whose}"
    why = "a machine has one Plano, and starting another ends it"
    return Problem("plano-of-another-project", text, f"`{found.stop}` stops it, once it is not needed there", why)


def in_the_way(found: Found, port: int) -> Problem:
    """Return the problem of a Plano of the other kind, natively or in Docker, that planoai would not end first."""
    text = f"port {port}, where Plano is to listen, is taken by the running Plano ({found.where})"
    whose = f"it was started in `{found.directory}`" if found.directory else None
    return Problem("plano-port-taken", text, f"`{found.stop}` stops it", whose)


def restart(found: Found) -> Fix:
    """Return what starts a Plano of this project again."""
    return Fix(planoai.STARTS_PLANO, f" starts it again; `{found.stop}` only stops it")


def loses_memory(running: Running) -> Problem | None:
    """Return the warning of `down` for a Plano that loses its connection."""
    if running.state != "connected" or running.found is None:
        return None
    text = f"Plano is running ({running.found.where}), and loses its connection with Postgres: it never reconnects"
    fix = Fix(planoai.STARTS_PLANO, " starts both again; ", Command("down", "--with-plano"), " stops both")
    return Problem("plano-loses-memory", text, fix)
