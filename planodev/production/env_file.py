"""Check an environment file for production without a network: which server Plano would connect to, and how."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from planodev.plano import driver_url, judge, storage
from planodev.postgres.connection import CONNECTION_STRING, is_loopback
from planodev.problems import BadInput, Command, Fix, Lines, Problem, Shell, VerificationFailed
from planodev.production import (
    COMPOSE,
    ENV_NAME,
    LITERAL,
    LITERAL_IN_WORDS,
    PLACEHOLDER,
    endpoints,
    has_pgbouncer,
    is_for_kubernetes,
)
from planodev.project import env_file, env_keys

if TYPE_CHECKING:
    from pathlib import Path

    from planodev.plano.config_file import ConfigFile
    from planodev.plano.driver_url import Target
    from planodev.progress import Progress

# Values that `sh`, docker, planoai and python-dotenv read as they are written.
_PLAIN = re.compile(r"[A-Za-z0-9._%+/=:@,-]+|\[[0-9A-Fa-f:.]+\]")
_AS_IT_IS = re.compile(f"[{LITERAL}]+")
# Placeholders of templates and of providers' pages.
_UNFILLED = re.compile(
    rf"{PLACEHOLDER}.*|<.*>|\[(?![0-9A-Fa-f:.]+\]).*\]|\$.*|(?:change|replace|fill)[-_ ]?(?:me|in|this).*"
    r"|your[-_ ].*|x{3,}|todo",
    re.IGNORECASE,
)
_STORAGE = f'state_storage:\n  type: postgres\n  connection_string: "{CONNECTION_STRING}"\n'
# Plano can store in spite of it.
_HARMLESS = "connection-string-sslmode-prefer"


def read(path: Path, config: ConfigFile, progress: Progress, *, keys: bool = True) -> Target:
    """Return what Plano's driver would connect to.

    Args:
        path: the environment file.
        config: Plano's configuration.
        progress: takes warnings of what does not stop Plano.
        keys: whether Plano is to start with it, and so needs the keys of the providers; who only reads rows does not.

    Raises:
        BadInput: the file is not there, or cannot be read.
        VerificationFailed: Plano would not start with it, not store, or go somewhere else; names the line.

    """
    env = env_file.load(path, way=Fix("write its values into a file, and name it: `--env-file FILE`"))
    if not env.exists:
        raise BadInput("env-file-missing", f"`{path}` does not exist", fix=_instead(path))
    text = _connection_string(config)
    _judge(config, path.parent, progress)
    in_the_way = misread_by_kubernetes(env) if is_for_kubernetes(path.parent) else None
    if in_the_way:
        raise VerificationFailed.of(in_the_way)
    providers = [key.name for key in config.keys if key.name and keys]
    _check_lines(env, [*storage.variables(text), *providers], config)
    full = storage.substitute(text, env.written, "native")
    if PLACEHOLDER in full:
        raise VerificationFailed(
            "connection-string-placeholder",
            f"the connection string in `{config.path}` has a placeholder",
            fix=f"replace {PLACEHOLDER}… with the value",
        )
    for problem in driver_url.problems(full):
        if problem.code != _HARMLESS:
            raise VerificationFailed.of(replace(problem, why=f"that is what `{config.path}` and `{path}` make it"))
        progress.notice(problem)
    target = driver_url.parse(full)
    if is_loopback(target.hosts[0][0]) and (path.parent / COMPOSE).exists() and not has_pgbouncer(path.parent):
        message = f"{target.hosts[0][0]} is this machine; in the container of `{COMPOSE}` it is the container itself"
        fix = f"set {env_keys.HOST} to an address of this machine that a container reaches, such as its own network's"
        progress.notice(Problem("loopback-host", message, fix))
    return target


def _instead(path: Path) -> Fix:
    """Return the fix for a file that is not there: the one that is, or what writes it."""
    there = path.with_name(ENV_NAME)
    if there.is_file():
        return Fix(f"check its name: `--env-file {ENV_NAME}` is there")
    which = "it" if path == there else f"`{ENV_NAME}`, for `--env-file {ENV_NAME}`"
    return Fix("check its name; ", Command("production", "PROVIDER"), f" writes {which}")


def _judge(config: ConfigFile, directory: Path, progress: Progress) -> None:
    """Say what Plano would not start with, or not store; the connection string is read later, with its values."""
    found = judge.judge_config(config, None, "docker")
    found = [problem for problem in found if not problem.code.startswith("connection-string")]
    collision = endpoints.port_of_pgbouncer(config) if has_pgbouncer(directory) else None
    found += [collision] if collision else []
    fatal = next((problem for problem in found if problem.fatal), None)
    for problem in found:
        if problem != fatal:
            progress.notice(problem)
    if fatal:
        raise VerificationFailed.of(fatal)


def _connection_string(config: ConfigFile) -> str:
    if config.text is None:
        raise VerificationFailed(
            "config-missing",
            "Plano has no configuration",
            why=f"there is no `{config.path}`",
            fix="name it with `--config`, or copy the one of your development set-up",
        )
    if config.lacks:
        raise VerificationFailed(
            "config-without-storage",
            "every conversation would be lost at the next restart of Plano",
            why=config.lacks,
            fix=Fix(f"add this to `{config.path}`:", Lines(_STORAGE)),
        )
    return config.connection_string or ""  # `lacks` has found one


def misread_by_kubernetes(env: env_file.EnvFile) -> Problem | None:
    """Return the problem of a password that does not stand for itself; else None.

    The Secret has it as it is written, while a connection string, such as that of `verify`, decodes percent signs.
    """
    written = env_file.read_as_planoai(env.text).get(env_keys.PASSWORD, "")  # with its quotes, as kustomize does
    if not written or written.startswith(PLACEHOLDER) or _AS_IT_IS.fullmatch(written):
        return None
    return Problem(
        "password-not-literal",
        f"{env_keys.PASSWORD} in `{env.path}` has other characters than {LITERAL_IN_WORDS}",
        f"empty the value of {env_keys.PASSWORD}: step 1 of PRODUCTION.md creates one",
        "Kubernetes takes it as it is written, and a connection string decodes it",
        level="error",
    )


def _s(names: list[str]) -> str:
    return "s" if len(names) > 1 else ""


def _lines(names: list[str], value: str = "") -> str:
    return ", ".join(f"{name}={value}" for name in names)


def _check_lines(env: env_file.EnvFile, names: list[str], config: ConfigFile) -> None:
    if "\r" in env.text:
        raise VerificationFailed(
            "env-file-crlf",
            f"`{env.path}` has Windows line endings",
            why="`sh` takes the carriage return for part of the value",
            fix=Fix(Shell("sed -i 's/\\r$//' {}", env.path)),
        )
    values, seen = env.written, env_file.read_as_planoai(env.text)
    # An empty password is allowed here: a PgBouncer on this machine may let Plano in without one.
    spared = (
        {env_keys.PASSWORD} if is_loopback(values.get(env_keys.HOST, "")) and env_keys.PASSWORD in values else set()
    )
    missing = [storage.called(name) for name in names if not values.get(name) and name not in spared]
    if missing:
        raise VerificationFailed(
            "env-file-incomplete",
            f"`{env.path}` has no value for {', '.join(missing)}",
            why=f"`{config.path.name}` names {'it' if len(missing) == 1 else 'them'}",
            fix=f"add the line{_s(missing)} {_lines(missing, '…')} to `{env.path}`",
        )
    left = [name for name in names if _UNFILLED.fullmatch(values[name])]
    if left:
        raise VerificationFailed(
            "env-file-placeholder",
            f"`{env.path}` has a placeholder for {', '.join(left)}",
            fix=f"write the value{_s(left)} after {_lines(left)} in `{env.path}`",
        )
    for name in [name for name in names if values[name]]:
        plain = _PLAIN.fullmatch(values[name]) and seen.get(name) == values[name]
        if not plain or re.search(rf"(?m)^[ \t]*export[ \t]+{name}=", env.text):
            raise VerificationFailed(
                "env-file-misread",
                f"`sh`, docker and planoai read the line {name}=… of `{env.path}` differently",
                why="they differ on quotes, blanks, `export`, a comment after the value and most punctuation",
                fix=f"write {name}=VALUE and nothing else; percent-encode special characters of a password",
            )
    if "@" in values.get(env_keys.PASSWORD, "") and env_keys.PASSWORD in names:
        raise VerificationFailed(
            "password-not-encoded",
            f"{env_keys.PASSWORD} in `{env.path}` has an `@`, and the driver ends the password there",
            why="in a connection string a password is percent-encoded",
            fix=f"write `%40` for each `@` of {env_keys.PASSWORD} in `{env.path}`; the password itself stays as it is",
        )
