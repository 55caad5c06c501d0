"""Write the files that move a set-up to a hosted PostgreSQL, or to Kubernetes."""

from __future__ import annotations

import re
from contextlib import closing
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from planodev import masking
from planodev.plano import config_edit, config_file, judge
from planodev.plano.config_file import ConfigFile
from planodev.plano.validation import Question
from planodev.postgres.connection import DOCKER_HOST_NAME
from planodev.problems import BadInput, Command, Conflict, Fix, Problem, Shell
from planodev.production import (
    COMPOSE,
    ENV_NAME,
    KUBERNETES,
    PLACEHOLDER,
    PLANO_FILE,
    PLANO_IMAGE,
    SIDECAR,
    compose,
    endpoints,
    kept,
    kubernetes,
    ownership,
)
from planodev.production.env_file import misread_by_kubernetes
from planodev.production.setup import gather
from planodev.project import env_file, env_keys, env_kinds, git, log_masking, private_files, regular_file, settings
from planodev.result import Outcome
from planodev.steps.env_file import ignore

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from planodev.production.setup import Setup
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
    """Write the files; what was filled in is kept, and what somebody has edited is not written over without `force`.

    Args:
        here: the project; relative paths start there.
        options: `force`, and those of `gather`.
        variables: the process's environment; nothing but the settings is taken from it.
        progress: takes messages.

    Raises:
        BadInput: the host name or a file that is read cannot be used, or the directory cannot be written.
        Conflict: a file exists, and planodev did not write it like this.

    """
    name = options["provider"]
    on_kubernetes = name == KUBERNETES or options.get("target") == KUBERNETES
    directory = here.path / (options.get("output") or (KUBERNETES if on_kubernetes else ""))
    chosen = settings.Sources({"config": options.get("config")}, variables, here.path).settings
    config = config_file.load(config_file.find(here.path, chosen.config.value))
    _can_be_made(directory)
    setup = gather(directory, config, options, here.path, on_kubernetes=on_kubernetes)
    _judge(setup, progress, _known(here, variables), variables)
    _check(setup)
    files = (kubernetes if on_kubernetes else compose).render(setup)
    secret = [file for file in files if _is_secret(file)]
    # Existing files with nothing but values stay as they are; only `.env.production` is written again, with its values.
    files = {file: text for file, text in files.items() if not (_is_other(file) and (directory / file).exists())}
    files = {file: text if _is_env(file) else ownership.marked(file, text) for file, text in files.items()}
    progress.begin(TITLE)
    _refuse(setup, files, force=bool(options.get("force")))
    _refuse_authority(setup)
    secrets = log_masking.among(setup.values)
    done = {file: _put(directory / file, file, text, secrets, progress) for file, text in files.items()}
    for file, verb in done.items():
        progress.done(Outcome(verb, file))
    _notices(setup, files, progress)
    ignore(directory, secret, progress)
    return Written(name, directory, done, _to_fill_in(files))


def _judge(setup: Setup, progress: Progress, known: Mapping[str, str], variables: Mapping[str, str]) -> None:
    """Say of the configuration that is deployed what `up` says of one.

    Which variables are set where Plano will run is not known here; `verify --env-file` tells that.
    """
    config = setup.config
    if setup.copied and config.content and config.lacks:
        progress.note(f"{config.lacks}; the deployed copy stores in PostgreSQL")
        config = ConfigFile(config.path, setup.deployed, before=config)
    with closing(Question(config, variables)) as planoai:
        found = [one for one in judge.judge_config(config, known, "docker") if one.code != judge.UNSET]
        found += [] if config.content is None or any(one.fatal for one in found) else planoai.answer()
    for problem in found:
        progress.notice(problem)


def _check(setup: Setup) -> None:
    """Refuse what the files themselves could not be deployed with."""
    found = [
        None if setup.direct else endpoints.port_of_pgbouncer(setup.config),
        misread_by_kubernetes(env_file.load(setup.directory / ENV_NAME)) if setup.kubernetes else None,
    ]
    for problem in filter(None, found):
        raise BadInput.of(problem)


def _known(here: Project, variables: Mapping[str, str]) -> dict[str, str]:
    """Return what the project's `.env` says of its database, nothing where it cannot be read: others tell that."""
    try:
        values = env_file.load(here.path / (settings.Sources({}, variables, here.path).dotenv() or here.dotenv)).values
    except (BadInput, Conflict):
        return {}
    return {name: value for name, value in values.items() if name in env_keys.ALL}


def _plain(key: str, value: str) -> str:
    """Return a part of an address for a message; what is none, such as a whole URL, may have a password in it."""
    plain = r"\d+" if key in (env_keys.PORT, "port") else r"[\w.-]+|[0-9A-Fa-f:.]+"
    return value if re.fullmatch(plain, value) else masking.HIDDEN


def _notices(setup: Setup, files: Mapping[str, str], progress: Progress) -> None:
    """Say what the files alone would not tell."""
    now = {**env_file.read_as_planoai(files[ENV_NAME]), "host": setup.server, "dbname": setup.place.database}
    changed = [f"{key}={_plain(key, value)}" for key, value in setup.left.items() if now.get(key, value) != value]
    if changed:
        check = Fix(Command("verify", "--env-file", ENV_NAME), " checks the new ones")
        message = f"replaced the values of another provider: {', '.join(changed)}"
        progress.notice(Problem("values-replaced", message, check))
    if setup.image != PLANO_IMAGE:
        file = PLANO_FILE if setup.kubernetes else COMPOSE
        progress.note(f"`{file}` keeps `image: {setup.image}`; planodev itself would write `{PLANO_IMAGE}`")
    if setup.local:
        listed = ", ".join(f"`{masking.value(address)}`" for address in setup.local)
        if setup.kubernetes:
            fix = f"name their Services in `{setup.config.path.name}`, such as `http://NAME.NAMESPACE.svc:PORT`"
            message = f"Plano's pods do not reach {listed}: there it is the pod itself"
        else:
            there = "in Plano's container that is the container itself"
            message = f"{listed}: {there}, so `{compose.copy_of(setup)}` has {DOCKER_HOST_NAME}"
            fix = "let what listens there accept connections from containers, not from 127.0.0.1 alone"
        progress.notice(Problem("localhost-endpoint", message, fix))
    listens = setup.addresses.unreachable
    if listens:
        listed = ", ".join(f"`{address}`" for address in listens)
        message = f"a listener at {listed} is unreachable from outside Plano's container: the copy has `0.0.0.0`"
        fix = f"write `address: 0.0.0.0` in `{setup.config.path.name}` to say the same there"
        progress.notice(Problem("listener-address", message, fix))
    if git.ask(setup.directory, f"{ENV_NAME}.example").state == "ignored":
        add = Fix(Shell("git add -f {}", f"{ENV_NAME}.example"))
        progress.notice(Problem("example-ignored", f"git ignores `{ENV_NAME}.example`", add))


def _is_env(file: str) -> bool:
    """Say whether a file holds values and nothing else, each of which is kept."""
    return PurePath(file).name.startswith(".env.")


def _is_other(file: str) -> bool:
    return _is_env(file) and not PurePath(file).name.startswith(ENV_NAME)


def _is_secret(file: str) -> bool:
    return _is_env(file) and not file.endswith(".example")


def _can_be_made(directory: Path) -> None:
    """Refuse a directory below something that is a file."""
    for part in (directory, *directory.parents):
        if part.exists():
            if not part.is_dir():
                fix = "choose another directory with `--output`"
                raise BadInput("output-unwritable", f"`{part}` is not a directory", fix=fix)
            return


def _refuse(setup: Setup, files: Mapping[str, str], *, force: bool) -> None:
    for file, text in files.items():
        path = setup.directory / file
        if path.is_dir() or env_kinds.is_stream(path) or (path.is_symlink() and not path.exists()):
            raise BadInput("output-unwritable", f"`{path}` is not a file", fix=f"move `{path}` away")
        if path.is_symlink() and not path.resolve().is_relative_to(setup.directory.resolve()):
            outside = f"`{path}` is a link to `{path.resolve()}`, outside of `{setup.directory}`"
            raise BadInput("output-unwritable", outside, fix=f"move `{path}` away")
        if force or not path.exists() or regular_file.read(path) == text.encode():
            continue
        if _is_env(file) and setup.left:
            why = "it is for another provider"
        elif not _is_env(file) and (
            not ownership.untouched(file, regular_file.text(path))
            # Where the files make the server, its address is none to fill in.
            or (setup.cluster and kept.server(regular_file.text(path)) != kept.server(text))
        ):
            why = "it was edited, or planodev did not write it"
        else:
            continue
        raise Conflict(
            "file-exists",
            f"`{path}` already exists; nothing was written",
            why=why,
            fix="`--force` overwrites it and keeps the values that are filled in; `--output DIR` writes elsewhere",
        )


def _refuse_authority(setup: Setup) -> None:
    """Refuse the authority of another provider: once `pgbouncer.ini` is written again, nothing tells whose it is."""
    ca = setup.directory / setup.ca_path
    if not setup.foreign or setup.direct or not ca.is_file():
        return
    raise BadInput(
        "foreign-authority",
        f"`{ca}` is another provider's; nothing was written",
        why=f"the `{SIDECAR}` beside it is for that one, and PgBouncer would trust it for {setup.provider.title}",
        fix=Fix(Shell("mv {} {}", ca, f"{ca}.old"), " moves it away"),
    )


def _put(path: Path, file: str, text: str, secrets: list[str], progress: Progress) -> str:
    before = regular_file.read(path) if path.exists() else None
    mode = private_files.MODE if _is_secret(file) else _MODE
    if before not in (None, text.encode()) and not _is_env(file):
        old = before.decode(errors="replace")
        if not (file.endswith(".md") and ownership.untouched(file, old)):  # planodev's own text needs no diff
            progress.note("\n".join(config_edit.diff(old, text, file, secrets)))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if before != text.encode() or path.stat().st_mode & 0o777 != mode:
            private_files.write_atomically(path.resolve(), text.encode(), mode)
    except OSError as error:
        raise BadInput(
            "output-unwritable",
            f"`{path}` cannot be written",
            why=error.strerror,
            fix=f"{env_file.make_way(error, path.parent)}, or choose another directory with `--output`",
        ) from error
    return "created" if before is None else "unchanged" if before == text.encode() else "updated"


def _to_fill_in(files: Mapping[str, str]) -> list[str]:
    """Return what still has a placeholder, as `NAME in FILE`."""
    found = []
    for file, text in files.items():
        if file == ENV_NAME or PurePath(file).name == SIDECAR:
            found += [f"{key} in {file}" for key in re.findall(rf"(?m)(?:^|\s)(\w+)={PLACEHOLDER}", text)]
    return list(dict.fromkeys(found))
