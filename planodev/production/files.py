"""Write the files that move a set-up to a hosted PostgreSQL."""

from __future__ import annotations

import os
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from planodev import production
from planodev.plano import config_file, judge
from planodev.postgres.connection import is_host, is_loopback
from planodev.problems import BadInput, Command, Conflict, Fix, Problem
from planodev.production import wording
from planodev.project import credentials, env_file, git, private_files, regular_file, settings
from planodev.result import Outcome
from planodev.steps.env_file import ignore

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from planodev.plano.config_file import ConfigFile
    from planodev.production import Provider
    from planodev.progress import Progress
    from planodev.project.identity import Project

TITLE = "Writing the files for production"
_MODE = 0o644


@dataclass(frozen=True)
class Written:
    """What was done: each file with created, updated or unchanged, and what a person has to fill in."""

    provider: str
    directory: Path
    files: dict[str, str]
    to_fill_in: list[str]


def write(here: Project, options: Mapping[str, Any], variables: Mapping[str, str], progress: Progress) -> Written:
    """Write the files; where one is there already with another text, none is written without `force`.

    Values that `.env.production` and `pgbouncer.ini` already have are kept, also with `force`.

    Raises:
        BadInput: the host name or a file that is read cannot be used, or the directory cannot be written.
        Conflict: a file exists.

    """
    name = options["provider"]
    directory = here.path / (options.get("output") or "")
    host = _host(options.get("host"))
    chosen = settings.resolve({"config": options.get("config")}, variables, here.path, {})
    config = config_file.load(config_file.find(here.path, chosen.config.value))
    for problem in judge.judge_config(config, None, "docker"):
        progress.notice(problem)
    force = bool(options.get("force"))
    provider = production.load(name)
    if host and not provider.sidecar and is_loopback(host):
        raise BadInput(
            "bad-host",
            f"Plano's container cannot reach `{host}`",
            why="in the container that is the container itself",
            fix="give `--host` an address of this machine that a container reaches, such as the one in its own network",
        )
    kept, left = _kept(directory, provider) if force else ({}, {})
    if options.get("generate_password"):
        kept.setdefault("DB_PASS", credentials.generate_password())
    if not provider.sidecar:
        host = host or _host(kept.get("DB_HOST"))
        kept.update({"DB_HOST": host} if host else {})
    elif force and host is None and "DB_HOST" in kept and (directory / production.SIDECAR).is_file():
        host = _host(wording.host_of(regular_file.text(directory / production.SIDECAR)))
    files = wording.render(name, _facts(config, directory), kept, host)
    progress.begin(TITLE)
    _refuse(directory, files, force=force)
    done = {file: _put(directory / file, text) for file, text in files.items()}
    now = env_file.read_as_planoai(files[wording.ENV_NAME])
    changed = [f"{key}={value}" for key, value in left.items() if now.get(key) != value]
    if changed:
        fix = Fix(Command("verify", "--env-file", wording.ENV_NAME), " checks the new ones")
        message = f"replaced the values of another provider: {', '.join(changed)}"
        progress.notice(Problem("values-replaced", message, fix))
    for file, verb in done.items():
        progress.done(Outcome(verb, file))
    ignore(directory, wording.ENV_NAME, progress)
    if git.state(directory, f"{wording.ENV_NAME}.example") == "ignored":
        add = f"`git add -f {wording.ENV_NAME}.example`"
        progress.notice(Problem("example-ignored", f"git ignores `{wording.ENV_NAME}.example`", add))
    return Written(name, directory, done, wording.to_fill_in(files))


def _host(typed: str | None) -> str | None:
    if typed is None:
        return None
    try:
        return str(ip_address(typed))
    except ValueError:
        if is_host(typed) and not typed.startswith("/"):
            return typed
    raise BadInput(
        "bad-host",
        "`--host` is not a host name",
        why="only the name or the address is needed, without user, port and scheme",
        fix="`--host db.example.com`",
    )


def _kept(directory: Path, provider: Provider) -> tuple[dict[str, str], dict[str, str]]:
    """Return the values that somebody has filled in, and of those the ones that hold at another provider only."""
    env = env_file.load(directory / wording.ENV_NAME)
    moved = provider.title not in env.text.partition("\n")[0]
    gone = ("DB_USER", "DB_HOST", "DB_PORT", "DB_NAME") if moved else ()
    filled = {key: value for key, value in env.values.items() if value and not value.startswith(production.PLACEHOLDER)}
    left = {key: value for key, value in filled.items() if key in gone}
    return {key: value for key, value in filled.items() if key not in left}, left


def _facts(config: ConfigFile, directory: Path) -> dict[str, Any]:
    path = os.path.relpath(config.path, directory)
    listeners = (config.content or {}).get("listeners")
    found = [entry for entry in listeners if isinstance(entry, dict)] if isinstance(listeners, list) else []
    ports = {str(entry.get("type")): entry["port"] for entry in found if isinstance(entry.get("port"), int)}
    relative = path if path.startswith((".", "/")) else f"./{path}"
    return {
        "file": config.path.name,
        "path": relative,
        "keys": [key.name for key in config.keys if key.name],
        "ports": ports,
    }


def _refuse(directory: Path, files: Mapping[str, str], *, force: bool) -> None:
    for file, text in files.items():
        path = directory / file
        if path.is_dir() or env_file.is_stream(path) or (path.is_symlink() and not path.exists()):
            raise BadInput("output-unwritable", f"`{path}` is not a file", fix=f"move `{path}` away")
        if path.exists() and not force and regular_file.read(path) != text.encode():
            raise Conflict(
                "file-exists",
                f"`{path}` already exists; nothing was written",
                why="it may have values that you filled in",
                fix="`--force` overwrites it and keeps those values; `--output DIR` writes elsewhere",
            )


def _put(path: Path, text: str) -> str:
    before = regular_file.read(path) if path.exists() else None
    mode = private_files.MODE if path.name == wording.ENV_NAME else _MODE
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if before != text.encode() or path.stat().st_mode & 0o777 != mode:
            private_files.write_atomically(path.resolve(), text.encode(), mode)
    except OSError as error:
        raise BadInput(
            "output-unwritable",
            f"`{path}` cannot be written",
            why=error.strerror,
            fix=f"make `{path.parent}` writable, or choose another directory with `--output`",
        ) from error
    return "created" if before is None else "unchanged" if before == text.encode() else "updated"
