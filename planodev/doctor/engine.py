"""Checks of the engine: its server and data of this project."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from planodev.commands.report import GONE
from planodev.engines import choice, data_safety, disk, endpoint, port_holders
from planodev.postgres.connection import LOOPBACK
from planodev.problems import Command, Fix, NoEngine, PlanodevError, Shell
from planodev.project import env_keys
from planodev.result import Check

if TYPE_CHECKING:
    from planodev.doctor.subject import Subject

UP = Fix(Command("up"))


def answers(subject: Subject) -> Check:
    """Which engine answers, where, and why that one."""
    info = subject.seen().engine.info
    return Check("engine", "ok", f"{info.called} {info.version} at {info.endpoint} ({info.source})")


def may_be_used(subject: Subject) -> Check:
    """Whether this user may open the engine's socket."""
    engine = subject.seen().engine
    if not engine.traits.containers:
        return Check("socket", "ok", f"none is needed: {choice.title(engine.info.name)} is a process of this machine")
    try:
        where = endpoint.find(subject.environment, Path.home(), endpoint.probe_socket)
        if not where.local_socket:
            return Check("socket", "ok", f"{where.url} is not a socket of this machine")
        endpoint.check_socket(where)
    except NoEngine as error:  # `engine` has answered, and does not tell it
        return Check("socket", "failed", error.message, error.why, error.fix)
    return Check("socket", "ok", f"{where.url} can be opened")


def has_room(subject: Subject) -> Check:
    """Whether the disks of the project and of the engine have room."""
    of_engine = None
    with suppress(PlanodevError):  # `engine` reports it
        of_engine = subject.seen().engine.disk()
    room = disk.judge(str(subject.project.path), of_engine)
    if room.problem is None:
        return Check("disk", "ok", room.text)
    state = "failed" if room.problem.fatal else "warning"
    return Check("disk", state, room.text, room.problem.why, room.problem.fix)


def port(subject: Subject) -> Check:
    """Who holds the port that the database has, or would get."""
    run = subject.seen()
    number, have = run.settings.port.value, run.observed.container
    if run.credentials.foreign_host:
        return Check("port", "ok", f"{number} at {run.credentials.foreign_host}, which planodev does not run")
    if have and have.state == "running" and have.port == number:
        return Check("port", "ok", f"{number} is this project's")
    holder = port_holders.taken_by(run.engine, run.observed, number, (LOOPBACK,))
    if holder is None:
        return Check("port", "ok", f"{number} is free")
    next_one = Fix(Command("up"), f" uses the next free one and writes it to `{run.project.dotenv}`")
    return Check("port", "warning", f"{number} is taken", f"held by {holder}", next_one)


def container(subject: Subject) -> Check:
    """Whether the container runs."""
    run = subject.seen()
    have = run.observed.container
    if have is None:
        if run.credentials.foreign_host or subject.foreign_target():
            return Check("container", "ok", "none: the database is one that planodev does not run")
        return Check("container", "failed", "this project has none", fix=UP)
    if have.state == "running":
        return Check("container", "ok", f"{have.name} is running {have.image}")
    why = f"its exit code was {have.exit_code}" if have.exit_code else ""
    why = "it ran out of memory" if have.oom_killed else why
    return Check("container", "failed", f"{have.name} is {have.condition}", why, UP)


def volume(subject: Subject) -> Check:
    """Whether the data is there."""
    run = subject.seen()
    have, found = run.observed.container, run.observed.volume
    if two := data_safety.two_servers(run.observed):
        return Check("volume", "failed", two.message, two.why, two.fix)
    if found is None and have:
        return Check("volume", "failed", f"the {run.engine.wording.data} of `{have.name}` is gone", fix=UP)
    if found is None and run.lost_data and not subject.foreign_target():
        file = run.project.dotenv
        why = f"something other than planodev removed it, or it was never here and `{file}` comes from elsewhere"
        return Check("volume", "failed", GONE.message, why, GONE.fix)
    if found is None:
        return Check("volume", "ok", "none: this project has no data in this engine")
    if have and have.volume != found.name:
        return Check("volume", "failed", f"{have.name} uses `{have.volume}`", f"the data is in `{found.name}`", UP)
    return Check("volume", "ok", f"{found.name}, created with {found.image}")


def addresses(subject: Subject) -> Check:
    """Whether Postgres listens where Plano reaches it, and nowhere else."""
    run = subject.seen()
    have = run.observed.container
    if have is None:
        return Check("addresses", "ok", "nothing listens: there is no server")
    said = f"{', '.join(have.addresses) or 'none'}"
    if any(address in ("0.0.0.0", "::", "") for address in have.addresses):  # noqa: S104  reported, not bound
        why = "anyone on the network can try passwords"
        return Check(
            "addresses", "failed", said, why, Fix(Shell("docker rm -f {}", have.name), ", then ", Command("up"))
        )
    if have.plano and have.plano != run.mode:
        here = f"{env_keys.HOST} in `{run.project.dotenv}`"
        why = f"they were chosen for `--plano {have.plano}`, and {here} is for {run.mode}"
        return Check("addresses", "warning", said, why, UP)
    return Check("addresses", "ok", f"{said}, on this machine only")
