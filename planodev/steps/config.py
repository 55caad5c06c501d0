"""Have a configuration with which Plano stores; one that exists belongs to the user, and is only mended."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from planodev import rendering
from planodev.plano import config_edit, config_file, judge, providers
from planodev.postgres import connection
from planodev.problems import BadInput, Problem
from planodev.project import env_file
from planodev.result import Outcome

if TYPE_CHECKING:
    from pathlib import Path

    from planodev.work import Work

CONFIG_MODE = 0o644


class WriteConfig:
    """A new file comes from a template; in an existing one only `state_storage` is added or mended."""

    title = "Writing Plano's configuration"

    def run(self, work: Work) -> Outcome:
        outcome = self._edit(work) if work.config.content is not None else self._write(work)
        for problem in judge.judge_config(work.config, None, work.mode):
            if not problem.fatal:  # the rest is what the proof fails with
                work.progress.notice(problem)
        return outcome

    def _edit(self, work: Work) -> Outcome:
        path, text = work.config.path, work.config.text or ""
        asked = [f"--{name}" for name in ("model", "template") if getattr(work.settings, name).asked]
        if asked:
            work.progress.notice(
                Problem(
                    "config-kept",
                    f"`{path.name}` is there already, so {' and '.join(asked)} changed nothing",
                    f"move `{path.name}` away, then `planodev up` again",
                )
            )
        if work.config.lacks is None:
            return Outcome("unchanged", path.name)
        try:
            new = config_edit.with_storage(text)
        except config_edit.NotEditable:
            return Outcome("unchanged", path.name, "without storage; it has to be edited by hand")
        change = config_edit.diff(text, new, path.name)
        work.progress.note("\n".join([f"`{path.name}` does not store in postgres; this would change it:", *change]))
        if work.dry_run:
            return Outcome("would be updated", path.name, "`state_storage`")
        if not work.options.get("yes") and not work.progress.confirm(f"Change `{path.name}` like this?", default=True):
            return Outcome("unchanged", path.name, "the change above was not made")
        _store(path.resolve(), new, stat.S_IMODE(path.stat().st_mode))
        work.config = config_file.load(path)
        return Outcome("updated", path.name, "`state_storage`, and nothing else")

    def _write(self, work: Work) -> Outcome:
        path = work.config.path
        models, why = self._models(work)
        if work.dry_run:
            return Outcome("would be created", path.name, f"from `{work.settings.template.value}`, {models[0]}")
        text = rendering.render(
            f"config/{work.settings.template.value}.yaml.j2",
            providers=[providers.entry(model) for model in models],
            connection_string=connection.CONNECTION_STRING,
        )
        _store(path, text, CONFIG_MODE)
        work.config = config_file.load(path)
        _ = work.config.content  # parsed now, while the server starts
        return Outcome("created", path.name, f"from `{work.settings.template.value}`, {models[0]} ({why})")

    def _models(self, work: Work) -> tuple[list[str], str]:
        if work.settings.model.value:
            return list(work.settings.model.value), work.settings.model.source
        model, why = providers.choose([(".env", work.env.values), ("the shell", work.environment)])
        return [model], why


def _store(path: Path, text: str, mode: int) -> None:
    try:
        env_file.write_atomically(path, text.encode(), mode)
    except OSError as error:
        raise BadInput(
            "config-file-unwritable",
            f"`{path}` cannot be written",
            why=error.strerror,
            fix=f"{env_file.make_way(error, path.parent)}, then `planodev up`",
        ) from error
