"""What the checks share: the project's files and the engine, each looked at once, whatever is broken."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

from planodev import address
from planodev.decide import refuse_other_server
from planodev.look import env_files, load_config, look, together
from planodev.postgres import limits, proof
from planodev.postgres.connection import host_of
from planodev.problems import BadInput, Conflict, VerificationFailed
from planodev.project import credentials, settings
from planodev.project.settings import Setting

if TYPE_CHECKING:
    from collections.abc import Callable

    from planodev.look import Context, Seen
    from planodev.plano.config_file import ConfigFile
    from planodev.postgres.connection import Connection
    from planodev.project.env_file import EnvFile

T = TypeVar("T")


class Subject:
    """One project under examination; every member may raise what it found instead of an answer."""

    def __init__(self, context: Context) -> None:
        self._context = replace(context, options={})
        self.project = context.project
        self.environment = context.environment
        self._lock = threading.Lock()
        self._answers: dict[str, tuple[threading.Event, list[Any]]] = {}

    def env(self) -> EnvFile:
        """Return `.env`, or the file in its place."""
        return self._env_files()[0]

    def keys_env(self) -> EnvFile | None:
        """Return `.env` for provider keys, None where that cannot be used."""
        return self._env_files()[1]

    def _env_files(self) -> tuple[EnvFile, EnvFile | None]:
        return self.once("env", self._load_env)

    def _load_env(self) -> tuple[EnvFile, EnvFile | None]:
        chosen = self._context.sources.dotenv()
        asked = Setting(chosen or self.project.dotenv, settings.PREFIX if chosen else "default")
        return env_files(self._context, asked)

    def config(self) -> ConfigFile:
        """Return Plano's configuration."""
        return self.once("config", lambda: load_config(self._context))

    def seen(self) -> Seen:
        """Return what the engine has, with the project's files as far as they can be read."""
        return self.once("seen", self._look)

    def _look(self) -> Seen:
        try:
            env, keys_env = self._env_files()
            read = together(self._context, env, keys_env, credentials.read(env), self.config())
            return look(self._context, read=read)
        except (BadInput, Conflict):  # `env-file` and `config` report it
            return look(self._context, lenient=True)

    def close(self) -> None:
        """End what was started in the engine for this examination."""
        ready, answer = self._answers.get("seen", (threading.Event(), []))
        if ready.is_set() and not isinstance(answer[0], Exception):
            answer[0].engine.close()

    def foreign_target(self) -> Connection | None:
        """Return the database of its own that the configuration names, where that needs none of DB_*."""
        if not self.env().missing:
            return None
        with suppress(BadInput, VerificationFailed):
            return self.address().connection
        return None

    def address(self) -> address.Address:
        """Return where the database is that the files name, from this machine.

        Raises:
            VerificationFailed: they name none.
            BadInput: `.env` says something that cannot be right.

        """
        env, config = self.env(), self.config()
        try:
            _ = config.content
        except BadInput:  # `config` reports it
            config = replace(config, text=None)
        return address.find(env, credentials.read(env), config, self.environment)

    def connection(self) -> Connection:
        """Return the same from where Plano will be; raises what `address` does."""
        found = self.address()
        mode = credentials.read(self.env()).plano
        return found.connection._replace(host=host_of(mode)) if found.ours else found.connection

    def port(self) -> int | None:
        """Return the port of the project's own database as `.env` has it, None where that names another server."""
        wanted = credentials.read(self.env())
        return None if wanted.foreign_host else wanted.port

    def evidence(self) -> proof.Evidence:
        """Return what Plano's own statements met, from this machine."""
        return self.once("evidence", self._evidence)

    def _evidence(self) -> proof.Evidence:
        there = self.address().connection
        if there.own:
            refuse_other_server(self.seen())
            if problem := self.seen().not_listening:
                raise VerificationFailed.of(problem)
        return proof.run_here(there, limits.LOGIN)

    def once(self, name: str, ask: Callable[[], T]) -> T:
        """Ask once for all threads; an error is the answer for all of them, too."""
        with self._lock:
            first = name not in self._answers
            ready, answer = self._answers.setdefault(name, (threading.Event(), []))
        if first:
            try:
                answer.append(ask())
            except Exception as error:  # noqa: BLE001  raised again below, for every caller
                answer.append(error)
            ready.set()
        ready.wait()
        if isinstance(answer[0], Exception):
            raise answer[0]
        return cast("T", answer[0])
