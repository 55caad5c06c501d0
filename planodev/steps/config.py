"""Have a configuration with which Plano stores; one that exists belongs to the user."""

from __future__ import annotations

import stat
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from planodev import rendering
from planodev.plano import config_edit, config_file, judge, providers
from planodev.postgres import connection
from planodev.problems import BadInput, Command, Fix, Problem
from planodev.project import env_file
from planodev.result import Outcome

if TYPE_CHECKING:
    from pathlib import Path

    from planodev.look import Seen

CONFIG_MODE = 0o644


def write(seen: Seen) -> Seen:
    """Create the configuration from a template; in one that exists only `state_storage` is added or changed.

    Raises:
        BadInput: the file cannot be written.

    """
    seen.progress.begin("Writing Plano's configuration")
    seen, outcome = _edit(seen) if seen.config.content is not None else _create(seen)
    warn(seen)
    seen.progress.done(outcome)
    return seen


def warn(seen: Seen) -> None:
    """Say what is odd about the configuration; what Plano would not start with is what the proof fails with."""
    for problem in judge.judge_config(seen.config, None, seen.mode):
        if not problem.fatal:
            seen.progress.notice(problem)


@dataclass(frozen=True)
class Change:
    """What becomes of the configuration: `text` is None where the file is left as it is."""

    verb: str
    detail: str = ""
    text: str | None = None


def change(seen: Seen) -> Change:
    """Return what has to become of the configuration; an edit of the user's own file is shown as a diff."""
    path, text = seen.config.path, seen.config.text or ""
    if seen.config.content is None:
        return _from_template(seen)
    asked = [f"--{name}" for name in ("model", "template") if getattr(seen.settings, name).asked]
    if asked:
        ignored = f"`{path.name}` is there already, so {' and '.join(asked)} changed nothing"
        fix = Fix(f"move `{path.name}` away, then ", Command("up"))
        seen.progress.notice(Problem("config-kept", ignored, fix))
    if seen.config.lacks is None:
        return Change("unchanged")
    try:
        new = config_edit.with_storage(text)
    except config_edit.NotEditable:
        return Change("unchanged", "without storage; it has to be edited by hand")
    diff = config_edit.diff(text, new, path.name)
    seen.progress.note("\n".join([f"`{path.name}` does not store in postgres; this would change it:", *diff]))
    return Change("updated", "`state_storage`, and nothing else", new)


def _edit(seen: Seen) -> tuple[Seen, Outcome]:
    path, found = seen.config.path, change(seen)
    if found.text is None:
        return seen, Outcome(found.verb, path.name, found.detail)
    yes = seen.context.options.get("yes")
    if not yes and not seen.progress.confirm(f"Change `{path.name}` like this?", default=True):
        return seen, Outcome("unchanged", path.name, "the change above was not made")
    _store(path.resolve(), found.text, stat.S_IMODE(path.stat().st_mode))
    return replace(seen, config=config_file.load(path)), Outcome(found.verb, path.name, found.detail)


def _create(seen: Seen) -> tuple[Seen, Outcome]:
    path, found = seen.config.path, _from_template(seen)
    _store(path, found.text or "", CONFIG_MODE)
    config = config_file.load(path)
    _ = config.content  # parsed now, while the server starts
    return replace(seen, config=config), Outcome(found.verb, path.name, found.detail)


def _from_template(seen: Seen) -> Change:
    template = seen.settings.template.value
    models, why = _models(seen)
    text = rendering.render(
        f"config/{template}.yaml.j2",
        providers=[providers.entry(model) for model in models],
        connection_string=connection.CONNECTION_STRING,
    )
    return Change("created", f"from `{template}`, {models[0]} ({why})", text)


def _models(seen: Seen) -> tuple[list[str], str]:
    if seen.settings.model.value:
        return list(seen.settings.model.value), seen.settings.model.source
    model, why = providers.choose([(".env", seen.env.values), ("the shell", seen.environment)])
    return [model], why


def _store(path: Path, text: str, mode: int) -> None:
    try:
        env_file.write_atomically(path, text.encode(), mode)
    except OSError as error:
        raise BadInput(
            "config-file-unwritable",
            f"`{path}` cannot be written",
            why=error.strerror,
            fix=Fix(f"{env_file.make_way(error, path.parent)}, then ", Command("up")),
        ) from error
