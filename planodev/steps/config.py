"""Write a configuration with which Plano starts and stores; one that exists belongs to the user.

What becomes of it is settled before anything is created (`settle`), and written in its turn (`write`).
"""

from __future__ import annotations

import re
import stat
from contextlib import closing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote

from planodev import rendering
from planodev.engines import port_choice, port_holders
from planodev.plano import config_file, planoai
from planodev.plano.config_file import UNCHANGED, ConfigChange, ConfigFile
from planodev.postgres import connection
from planodev.problems import BadInput, Command, Conflict, Fix, Problem, VerificationFailed
from planodev.project import defaults, env_file, env_keys, log_masking, private_files
from planodev.result import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from planodev.look import Seen
    from planodev.plano.config_edit import NotEditable
    from planodev.postgres.connection import Connection

CONFIG_MODE = 0o644
OTHER_NAMES = ("arch_config.yaml", "config.yml")  # the name up to Plano 0.3, and one that people write


def say_which(seen: Seen) -> None:
    """Warn where `--config` names another configuration than the one that every other command finds by itself."""
    chosen = seen.settings.config
    usual = config_file.find(seen.project.path, "")
    if chosen.source == "--config" and usual.exists() and usual.resolve() != seen.config.path.resolve():
        text = f"`{chosen.value}` applies to this command only; other commands read `{usual.name}`"
        seen.progress.notice(Problem("config-of-this-command", text, config_file.for_all(chosen.value)))


def settle(seen: Seen, port: int | None = None) -> Seen:
    """Decide what becomes of the configuration, ask where it is the user's own, and judge it as it will be.

    Args:
        seen: the project.
        port: of the database, where that is known better than by the settings.

    Returns:
        The project with the configuration as it will be; `write` makes it so.

    Raises:
        BadInput: the change was asked for, and not agreed to; or the file is empty.
        Conflict: the configuration names a database that planodev does not run.
        VerificationFailed: Plano would not start with it, or not store.

    """
    if seen.config.text is None:
        look_before_first(seen, port)
        return seen
    change = proposed(seen, port)
    if change.text is None:
        return judged(seen, port)
    if not _agreed(seen, change):
        seen.progress.done(Outcome("unchanged", seen.config.path.name, "the change above was not made", reached=False))
        _ = judged(seen, port)  # raises where Plano would not start without the change
        raise _not_agreed(seen)
    return judged(with_change(seen, change), port)


def with_change(seen: Seen, change: ConfigChange) -> Seen:
    """Return the project with a configuration that was changed, and is still to be written."""
    detail = f"{seen.config_change.detail} and {change.detail}" if seen.config_change.text else change.detail
    changed = change._replace(detail=detail)
    return replace(seen, config=ConfigFile(seen.config.path, change.text, seen.config), config_change=changed)


def judged(seen: Seen, port: int | None = None) -> Seen:
    """Say what is wrong with the configuration; see `settle` for what is raised."""
    from planodev.address import other_database
    from planodev.plano import judge

    refuse(seen, problems_of(seen, port))
    foreign = other_database(seen)
    if foreign:
        raise Conflict.of(judge.other_database(seen.config, foreign, seen.config_option))
    return seen


def refuse(seen: Seen, problems: list[Problem]) -> None:
    """Say what is wrong, and raise the first with which Plano would not start, or not store."""
    fatal = [problem for problem in problems if problem.fatal]
    for problem in [*fatal[1:], *(problem for problem in problems if not problem.fatal)]:
        seen.progress.notice(problem)
    if fatal:
        raise VerificationFailed.of(fatal[0])


def problems_of(seen: Seen, port: int | None = None, environment: Mapping[str, str] | None = None) -> list[Problem]:
    """Return all that is wrong with the configuration, by planodev's own rules and by planoai, errors first.

    Args:
        seen: the project.
        port: of the database, where that is known better than by the settings.
        environment: the environment that Plano will have; default what `environment_of` knows of it.

    """
    from planodev.plano import judge
    from planodev.plano.validation import Question

    if environment is None:
        environment = environment_of(seen)
    with closing(Question(seen.config, seen.environment)) as question:
        found = judge.judge_config(seen.config, environment, seen.mode, seen.config_option, port or port_of(seen))
        if any(problem.fatal for problem in found):
            return found  # planoai would only repeat them
        more = question.answer()
    return sorted([*more, *found], key=lambda problem: not problem.fatal)


def all_problems_of(seen: Seen) -> list[Problem]:
    """Return the same, and that it names another database where it does, which `up` would refuse."""
    from planodev.address import other_database
    from planodev.plano import judge

    foreign = other_database(seen) if seen.config.text is not None else None
    return judge.with_other_database(problems_of(seen), seen.config, foreign, seen.config_option)


def environment_of(seen: Seen) -> dict[str, str]:
    """Return Plano's environment: what `planodev run` would give, or will give once `up` has written `.env`."""
    return known_of(seen) if seen.env.missing else environment_with(seen, seen.connection())


def environment_now(seen: Seen) -> dict[str, str]:
    """Return the environment that `planodev run` would start Plano with, by what `.env` says now."""
    return environment_with(seen, None if seen.env.missing else seen.connection())


def environment_with(seen: Seen, connection: Connection | None) -> dict[str, str]:
    """Return the environment that `planodev run` would start Plano with; with no connection, what the files say."""
    from planodev.plano import environment

    if connection is None:
        return {**seen.env.values, **seen.environment}
    return {**seen.environment, **environment.of(connection, seen.env, seen.config, seen.environment)}


def known_of(seen: Seen) -> dict[str, str]:
    """Return what Plano's environment will have as far as it is known before `up`: of the DB_* what `.env` will say."""
    known = {**seen.env.values, **seen.environment}
    known = {name: value for name, value in known.items() if name not in env_keys.ALL}
    known |= {env_keys.USER: quote(seen.user, safe=""), env_keys.DATABASE: quote(seen.database, safe="")}
    password = seen.env.values.get(env_keys.PASSWORD)
    return known | ({env_keys.PASSWORD: password} if password else {})


def port_of(seen: Seen) -> int | None:
    """Return the port that `up` gives the project's own database, None where `.env` names another one's."""
    return None if seen.credentials.foreign_host else seen.settings.port.value


def proposed(seen: Seen, port: int | None = None) -> ConfigChange:
    """Return what should become of a configuration that is there; `text` is None where it can stay as it is.

    Raises:
        BadInput: the file cannot be read.

    """
    from planodev.plano import config_edit, storage

    config, text = seen.config, seen.config.text or ""
    if config.blank:
        return _filled(seen)
    _ = config.content  # raises where it cannot be read
    _notice_ignored(seen)
    done = []
    written = config.written_string or ""
    wanted = storage.wanted_string(written, port or port_of(seen), known_of(seen), seen.mode) if written else None
    if config.lacks or wanted not in (None, written):
        with suppress(config_edit.NotEditable):  # `judge` reports it
            text = config_edit.with_storage(text, wanted if wanted != written else None)
            done.append("`state_storage`")
    if seen.context.options.get("store_all"):
        try:
            stored = config_edit.with_stored_models(text)
        except config_edit.NotEditable as error:
            raise _by_hand(seen, error) from error
        done += ["models"] if stored != text else []
        text = stored
    return ConfigChange("updated", f"{' and '.join(done)}, and nothing else", text) if done else UNCHANGED


def _by_hand(seen: Seen, error: NotEditable) -> BadInput:
    """Return the refusal of an edit, with the lines that it would have written."""
    from planodev.plano import models

    found = [model for model in models.of(seen.config.content or {}) if not model.stored and model.chat_form]
    lines = [
        f"{', '.join(f'`{key}: {value}`' for key, value in (model.chat_form or {}).items())} "
        f"in {seen.config.where(*model.path, 'model')}"
        for model in found
    ]
    message = f"`{seen.config.path.name}` cannot be changed by `--store-all`"
    return BadInput("config-not-editable", message, why=str(error), fix=error.fix or f"write {'; '.join(lines)}")


def _filled(seen: Seen) -> ConfigChange:
    """Return an empty file with a template below the comments that it may have."""
    new = from_template(seen)
    lines = (seen.config.text or "").splitlines(keepends=True)
    marks = [line for line in lines if line.startswith("---")]
    if len(marks) > 1 or any(line.startswith("...") for line in lines):  # several documents, which planoai refuses
        marks = []
    kept = "".join(line for line in lines if line in marks or re.match(r"[\ufeff \t]*(?:#|$)", line)).rstrip()
    return new._replace(verb="updated", text=f"{kept}\n{new.text}" if kept else new.text)


def _notice_ignored(seen: Seen) -> None:
    """Say that options for a first configuration have no effect, unless it is what they write, as after a Ctrl-C."""
    asked = [f"--{name}" for name in ("model", "template") if getattr(seen.settings, name).asked]
    if asked and seen.config.text != from_template(seen).text:
        name = seen.config.path.name
        ignored = f"`{name}` already exists, so {' and '.join(asked)} had no effect"
        fix = Fix(f"move `{name}` away, then ", Command("up"))
        seen.progress.notice(Problem("config-kept", ignored, fix))


def show(seen: Seen, change: ConfigChange) -> None:
    """Show a change as a diff."""
    from planodev.plano import config_edit

    name = seen.config.path.name
    secrets = log_masking.among(seen.env.values)
    diff = config_edit.diff(seen.config.text or "", change.text or "", name, secrets)
    seen.progress.note("\n".join([f"`{name}` needs a change so that Plano stores in this database:", *diff]))


def _agreed(seen: Seen, change: ConfigChange) -> bool:
    show(seen, change)
    yes = seen.context.options.get("yes")
    return bool(yes or seen.progress.confirm(f"Change `{seen.config.path.name}` like this?", default=True))


def _not_agreed(seen: Seen) -> BadInput:
    options = ("--store-all",) if seen.context.options.get("store_all") else ()
    return BadInput(
        "change-not-confirmed",
        f"`{seen.config.path.name}` was not changed",
        why="the change above was not confirmed; nothing was changed",
        fix=Fix(Command("up", *seen.config_option, *options, "--yes")),
    )


def fixed_by_edit(seen: Seen, port: int | None = None) -> list[Problem]:
    """Return what is wrong now and fixed by the proposed change; `port` as for `proposed`."""
    from planodev.plano import judge

    if seen.config.blank:
        try:
            _ = seen.config.content
        except BadInput as error:
            return [error.problem]
    known = environment_of(seen)
    port = port or port_of(seen)
    found = judge.judge_config(seen.config, known, seen.mode, seen.config_option, port)
    return [one for one in found if one.code in _MENDED or (one.fatal and _is_rewritten(seen, one, port))]


_MENDED = ("config-without-storage", "connection-string-placeholder", "connection-string-port")


def _is_rewritten(seen: Seen, problem: Problem, port: int | None) -> bool:
    """Say whether a problem of a connection string is gone once `up` has written the five variables."""
    from planodev.plano import storage

    written = seen.config.written_string or ""
    wanted = storage.wanted_string(written, port, known_of(seen), seen.mode) if written else written
    return problem.code.startswith("connection-string-") and wanted != written


def look_before_first(seen: Seen, port: int | None = None) -> None:
    """Look at what stands in the way of a first configuration.

    Raises:
        BadInput: the database was asked for at a port that Plano will need.

    """
    other = next((name for name in OTHER_NAMES if (seen.project.path / name).is_file()), None)
    if other and not seen.config_option:
        text = f"`{other}` is not read: planoai reads `{seen.config.path.name}`, and this project has none"
        fix = Fix(Command("up", "--config", other), f" uses that one, and {config_file.for_all(other)}")
        seen.progress.notice(Problem("old-config-name", text, fix))
    wanted = port or port_of(seen)
    source = rendering.source(f"config/{seen.settings.template.value}.yaml.j2")
    listed = {int(found) for found in re.findall(r"\bport: (\d+)", source)}
    if wanted in {*planoai.PARTS, planoai.MODEL_PORT, planoai.PROMPT_PORT, *listed}:

        def holder(port: int) -> str | None:
            return port_holders.taken_by(seen.engine, seen.observed, port, (connection.LOOPBACK,))

        free = port_choice.next_free(defaults.PORT - 1, holder, without=listed) or defaults.PORT
        raise BadInput(
            "port-of-plano",
            f"Plano needs the port {wanted} itself",
            why=f"it comes from {seen.settings.port.source}; with the database there Plano does not start",
            fix=Fix(Command("up", "--port", free)),
        )


def write(seen: Seen) -> Seen:
    """Write the configuration as it was settled; where there is none, create it from a template.

    Raises:
        BadInput: the file cannot be written.

    """
    seen.progress.begin("Writing Plano's configuration")
    path, change = seen.config.path, seen.config_change
    if seen.config.text is None:
        change = from_template(seen)
        _store(path, change.text or "", CONFIG_MODE)
        seen = judged(replace(seen, config=config_file.load(path)))
    elif change.text is not None:
        _store(path.resolve(), change.text, stat.S_IMODE(path.stat().st_mode))
    seen.progress.done(Outcome(change.verb, path.name, change.detail))
    return seen


def from_template(seen: Seen) -> ConfigChange:
    """Return the first configuration."""
    from planodev.plano import providers

    template = seen.settings.template.value
    sources = [(".env", seen.env.values), ("the shell", seen.environment)]
    models, why = list(seen.settings.model.value), seen.settings.model.source
    if not models:
        model, why = providers.choose(sources)
        models = [model]
    text = rendering.render(
        f"config/{template}.yaml.j2",
        providers=[providers.entry(model, sources) for model in models],
        connection_string=connection.CONNECTION_STRING,
    )
    return ConfigChange("created", f"from `{template}`, {models[0]} ({why})", text)


def _store(path: Path, text: str, mode: int) -> None:
    try:
        private_files.write_atomically(path, text.encode(), mode)
    except OSError as error:
        raise BadInput(
            "config-file-unwritable",
            f"`{path}` cannot be written",
            why=error.strerror,
            fix=Fix(f"{env_file.make_way(error, path.parent)}, then ", Command("up")),
        ) from error
