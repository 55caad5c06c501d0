"""Render Plano's configuration where there is none; one that exists belongs to the user."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from planodev import connection, env_file, rendering
from planodev.errors import BadInput
from planodev.plano import config_file, providers
from planodev.result import Notice, Outcome

if TYPE_CHECKING:
    from planodev.work import Work

CONFIG_MODE = 0o644


class WriteConfig:
    """A new file comes from a template; an existing one is read and left as it is."""

    title = "Writing Plano's configuration"

    def run(self, work: Work) -> Outcome:
        outcome = self._write(work)
        self._look_at_keys(work)
        self._look_at_models(work)
        return outcome

    def _look_at_models(self, work: Work) -> None:
        models = work.config.models
        if models and not any(providers.stored_by_plano(model) for model in models):
            name = work.config.path.name
            work.progress.notice(
                Notice(
                    "provider-keeps-history",
                    f"`{models[0]}` keeps the history itself, and Plano stores nothing for it",
                    f"name a model of another provider in `{name}`, such as anthropic/claude-sonnet-4-5; "
                    f"or move `{name}` away, then `planodev up --model anthropic/claude-sonnet-4-5`",
                )
            )

    def _look_at_keys(self, work: Work) -> None:
        """Warn of keys that planoai will not find: once there is a `.env`, it looks nowhere else.

        Source: planoai 0.4.39 `main.py:465-477`.
        """
        file = ".env" if work.project.path == Path.cwd() else shlex.quote(str(work.env.path))
        for key in work.config.keys:
            if work.env.values.get(key):
                continue
            at_hand = bool(work.environment.get(key))
            fix = f"`printf '{key}=%s\\n' \"${key}\" >> {file}`" if at_hand else f"put the line {key}=… into `{file}`"
            where = "is in the shell only" if at_hand else "is nowhere"
            text = f"{key} {where}, and planoai reads it from `.env` alone: it would not start"
            work.progress.notice(Notice("key-not-in-env-file", text, fix))

    def _write(self, work: Work) -> Outcome:
        path = work.config.path
        if work.config.content is not None:
            asked = [f"--{name}" for name in ("model", "template") if getattr(work.settings, name).asked]
            if asked:
                work.progress.notice(
                    Notice(
                        "config-kept",
                        f"`{path.name}` is there already, so {' and '.join(asked)} changed nothing",
                        f"move `{path.name}` away, then `planodev up` again",
                    )
                )
            return Outcome("unchanged", path.name, "without storage" if work.config.lacks else "")
        models, why = self._models(work)
        if work.dry_run:
            return Outcome("would be created", path.name, f"from `{work.settings.template.value}`, {models[0]}")
        text = rendering.render(
            f"config/{work.settings.template.value}.yaml.j2",
            providers=[providers.entry(model) for model in models],
            connection_string=connection.CONNECTION_STRING,
        )
        try:
            env_file.write_atomically(path, text.encode(), CONFIG_MODE)
        except OSError as error:
            raise BadInput(
                "config-file-unwritable",
                f"`{path}` cannot be written",
                why=error.strerror,
                fix=f"make `{path.parent}` writable for you, then `planodev up`",
            ) from error
        work.config = config_file.load(path)
        _ = work.config.content  # parsed now, while the server starts
        return Outcome("created", path.name, f"from `{work.settings.template.value}`, {models[0]} ({why})")

    def _models(self, work: Work) -> tuple[list[str], str]:
        if work.settings.model.value:
            return list(work.settings.model.value), work.settings.model.source
        model, why = providers.choose([(".env", work.env.values), ("the shell", work.environment)])
        return [model], why
