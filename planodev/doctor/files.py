"""Checks of the project's files: whether every program that reads them reads the same."""

from __future__ import annotations

from contextlib import closing, suppress
from typing import TYPE_CHECKING

from planodev.plano import access_keys, environment, judge, storage
from planodev.plano.validation import Question
from planodev.postgres.connection import DOCKER_HOST_NAME
from planodev.problems import BadInput, Command, Fix, NoEngine, Shell
from planodev.project import credentials, env_keys, git
from planodev.project import env_file as env_files
from planodev.result import Check

if TYPE_CHECKING:
    from collections.abc import Sequence

    from planodev.doctor.subject import Subject
    from planodev.problems import Problem

UP = Fix(Command("up"))


def env_file(subject: Subject) -> Check:
    """Whether `.env` is private, read alike by all, and in step with the engine."""
    env = subject.env()
    if not env.exists and not subject.foreign_target():
        return Check("env-file", "failed", env.lacks, fix=UP)
    missing = env.missing
    if missing and subject.foreign_target():
        return Check("env-file", "ok", f"it has no {env_keys.PREFIX}* values; the configuration names another database")
    wanted = credentials.read(env)
    if missing:
        return Check("env-file", "failed", env.lacks, fix=credentials.completing(env, wanted, env.to_add))
    name, read = env.path.name, env_files.read_as_planoai(env.text)
    plain = [key for key in env_keys.ALL if key not in env.references]
    odd = [key for key in plain if read.get(key) != env.values[key] or not env_files.is_plain(read[key])]
    if odd:
        why = "planoai reads quotes, comments and `export` as part of the value"
        fix = credentials.completing(
            env, wanted, f"write {', '.join(odd)} in `{name}` without quotes, comments and `export`"
        )
        return Check("env-file", "failed", f"programs read {', '.join(odd)} in `{name}` differently", why, fix)
    with suppress(NoEngine):
        have = subject.seen().observed.container
        if have and not wanted.foreign_host and have.port != wanted.port:
            return Check(
                "env-file", "failed", f"{env_keys.PORT} is {wanted.port}, but the server listens on {have.port}", fix=UP
            )
    return _private(subject, env) or Check("env-file", "ok", f"complete, for `--plano {wanted.plano or 'native'}`")


def _private(subject: Subject, env: env_files.EnvFile) -> Check | None:
    if env.mode is not None and env.mode & 0o077:
        alone = Fix(Shell("chmod 600 {}", env.path.name if env.path.parent.samefile(".") else env.path))
        return Check("env-file", "warning", f"other users may read `{env.path.name}` (mode {env.mode:04o})", fix=alone)
    directory = subject.project.path
    for name in git.names_of(env.path):
        problem = git.problem(directory, name, git.ask(directory, name))
        if problem:
            return Check("env-file", "warning", problem.message, problem.why, problem.fix)
    return None


def config(subject: Subject) -> Check:
    """Whether Plano would start with the configuration, and store in this database."""
    found = subject.config()
    if found.text is None:
        fix = credentials.completing(subject.env(), credentials.read(subject.env()), credentials.CONFIGURE)
        return Check("config", "failed", f"there is no `{found.path.name}`", fix=fix)
    try:
        _ = found.content
    except BadInput as error:
        return _of("config", error.problem)
    return _check("config", problems(subject)) or Check(
        "config", "ok", f"{found.path.name} stores in this project's database"
    )


def problems(subject: Subject) -> list[Problem]:
    """Return what is wrong with a configuration that can be read; planoai is asked once for every check."""
    return subject.once("problems", lambda: _problems(subject))


def _problems(subject: Subject) -> list[Problem]:
    found = subject.config()
    connection = None if subject.env().missing and not subject.foreign_target() else subject.connection()
    mode = "docker" if connection and connection.host == DOCKER_HOST_NAME else "native"
    given = {**subject.env().values, **subject.environment}
    if connection:
        given = {**subject.environment, **environment.of(connection, subject.env(), found, subject.environment)}
    with closing(Question(found, subject.environment)) as planoai:
        told = judge.judge_config(found, given, mode, port=subject.port())
        told += [] if any(problem.fatal for problem in told) else planoai.answer()
    own = None if subject.env().missing else connection
    target = storage.foreign_target(found.connection_string, own, given, mode)
    return judge.with_other_database(told, found, target)


def keys(subject: Subject) -> Check:
    """Whether planoai will find the keys that the configuration names."""
    env, found = subject.env(), subject.config()
    try:
        _ = found.content
    except BadInput:
        return Check.skipped("keys", "config")
    if found.text is None:
        return Check.skipped("keys", "config")
    if not found.keys:
        return Check("keys", "ok", "the configuration names none")
    places = access_keys.places(found.path, env, subject.keys_env(), subject.environment)
    ok = Check("keys", "ok", judge.key_names([key.name for key in found.keys]))
    return _check("keys", judge.together(judge.judge_keys(found.keys, places), places)) or ok


def _check(name: str, problems: Sequence[Problem]) -> Check | None:
    """Return a check that shows the worst problem first, None where there are none."""
    if not problems:
        return None
    first, *others = sorted(problems, key=lambda problem: not problem.fatal)
    return _of(name, first, tuple(others))


def _of(name: str, problem: Problem, others: tuple[Problem, ...] = ()) -> Check:
    state = "failed" if problem.fatal else "warning"
    return Check(name, state, f"{problem.message} [{problem.code}]", problem.why, problem.fix, others)
