"""The files in the project: what their readers will make of them."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from planodev.plano import access_keys, environment, judge, storage
from planodev.postgres.connection import DOCKER_HOST_NAME
from planodev.problems import BadInput, NoEngine, Problem
from planodev.project import credentials, git
from planodev.project import env_file as env_files
from planodev.result import Check

if TYPE_CHECKING:
    from planodev.doctor.subject import Subject

UP = "`planodev up`"


def env_file(subject: Subject) -> Check:
    """Whether `.env` is private, read alike by all, and in step with the engine."""
    env = subject.env()
    if not env.exists and not subject.named():
        return Check("env-file", "failed", "there is no `.env`", fix=UP)
    missing = env.missing
    if missing and subject.named():
        return Check("env-file", "ok", "no DB_* in it: the configuration names a database of its own")
    if missing:
        return Check("env-file", "failed", f"`.env` lacks {', '.join(missing)}", fix=UP)
    wanted = credentials.read(env)
    read = env_files.read_as_planoai(env.text)
    odd = [key for key in env_files.KEYS if read.get(key) != env.values[key] or not env_files.is_plain(read[key])]
    if odd:
        why = "planoai keeps quotes, comments and `export` as a part of it"
        return Check("env-file", "failed", f"{', '.join(odd)} in `.env` is not read alike by everybody", why, UP)
    with suppress(NoEngine):
        have = subject.seen().observed.container
        if have and not wanted.foreign_host and have.port != wanted.port:
            return Check("env-file", "failed", f"DB_PORT is {wanted.port}, the server has port {have.port}", fix=UP)
    return _private(subject, env) or Check("env-file", "ok", f"complete, for `--plano {wanted.plano or 'native'}`")


def _private(subject: Subject, env: env_files.EnvFile) -> Check | None:
    if env.mode is not None and env.mode & 0o077:
        return Check("env-file", "warning", f"others may read `.env` (mode {env.mode:04o})", fix=UP)
    state = git.state(subject.project.path, ".env")
    if state in ("tracked", "visible"):
        fix = "`git rm --cached .env`, commit that, then `planodev up`" if state == "tracked" else UP
        said = "`.env` is tracked by git" if state == "tracked" else "git does not ignore `.env`"
        return Check("env-file", "warning", said, "the password would be in the repository", fix)
    return None


def config(subject: Subject) -> Check:
    """Whether Plano would start with the configuration, and store in this database."""
    found = subject.config()
    if found.content is None:
        return Check("config", "failed", f"there is no `{found.path.name}`", fix=UP)
    way = subject.way()
    mode = "docker" if way.host == DOCKER_HOST_NAME else "native"
    given = {**subject.environment, **environment.of(way, subject.env(), found, subject.environment)}
    findings = sorted(judge.findings(found, given, mode), key=lambda finding: not finding.fatal)
    remarks = tuple(Problem(finding.code, finding.message, finding.fix) for finding in findings)
    if findings and findings[0].fatal:
        return Check("config", "failed", findings[0].message, fix=findings[0].fix, others=remarks[1:])
    if found.lacks:
        said = f"Plano would not use this database with `{found.path.name}`"
        fix = "`planodev up --yes` adds what is missing, and nothing else"
        return Check("config", "failed", said, found.lacks, fix, remarks)
    named = subject.named() or storage.named(found.connection_string, way, given, mode)
    if named:
        said = f"`{found.path.name}` names a database of its own: {named.masked}"
        return Check("config", "warning", said, fix="`planodev verify` proves that one", others=remarks)
    if findings:
        return Check("config", "warning", findings[0].message, fix=findings[0].fix, others=remarks[1:])
    return Check("config", "ok", f"{found.path.name} stores in this project's database")


def keys(subject: Subject) -> Check:
    """Whether planoai will find the keys that the configuration names."""
    env, found = subject.env(), subject.config()
    try:
        _ = found.content
    except BadInput:
        return Check("keys", "failed", "unknown, since the configuration cannot be read")
    if not found.keys:
        return Check("keys", "ok", "the configuration names none")
    faults = access_keys.faults(found.keys, access_keys.places(found.path, env, subject.environment))
    if faults:
        faults = sorted(faults, key=lambda fault: not fault.fatal)
        state = "failed" if faults[0].fatal else "warning"
        others = tuple(Problem(fault.code, fault.message, fault.fix) for fault in faults[1:])
        return Check("keys", state, faults[0].message, fix=faults[0].fix, others=others)
    return Check("keys", "ok", ", ".join(key.name for key in found.keys))
