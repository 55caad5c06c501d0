"""See that planoai will find the keys of the model providers, which it takes from `.env` alone."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

from planodev.plano import access_keys
from planodev.problems import Problem
from planodev.project import env_file
from planodev.result import Outcome

if TYPE_CHECKING:
    from planodev.look import Seen
    from planodev.problems import Fix


def save(seen: Seen) -> tuple[Seen, list[Fix | str]]:
    """Keep each key that the configuration names, save it where that is wished, or say that it is missing.

    Nothing is written without a word: a secret goes into a file only where the user said so, at the terminal or by
    `--save-keys`. Never an empty line or a placeholder, which planoai would take for a key.

    Returns:
        The project with what `.env` holds then, and what is to be done before Plano can start.

    """
    seen.progress.begin("Looking for provider keys")
    faults = faults_of(seen)
    found = {fault.key: value for fault in faults if fault.absent and (value := _value(seen, fault.key))}
    if found:
        seen.env.with_values(found).write()
        seen = replace(seen, env=env_file.load(seen.env.path))
        faults = faults_of(seen)
    todo = report(seen, faults, set(found))
    if found:
        seen.progress.done(Outcome("saved", "keys", f"{', '.join(found)} in `.env`"))
    else:
        seen.progress.done(outcome(seen, faults))
    return seen, todo


def report(seen: Seen, faults: list[access_keys.Fault], saved: set[str]) -> list[Fix | str]:
    """Say what is wrong with the keys; returns what is to be done before Plano can start."""
    left = [fault for fault in faults if fault.key not in saved]
    for fault in left:
        seen.progress.notice(Problem(fault.code, fault.message, fault.fix))
    return [fault.fix for fault in left if fault.fatal]


def outcome(seen: Seen, faults: list[access_keys.Fault]) -> Outcome:
    """Return what is said of keys that stay as they are."""
    missing = [fault.key for fault in faults if fault.absent]
    names = f"{', '.join(missing)} missing" if missing else ", ".join(key.name for key in seen.config.keys)
    return Outcome("unchanged", "keys", names)


def would_save(seen: Seen, faults: list[access_keys.Fault]) -> list[str]:
    """Return the keys that `--save-keys` would copy from the shell."""
    if not seen.context.options.get("save_keys") or not places_of(seen).saved:
        return []
    names = [fault.key for fault in faults if fault.absent]
    return [name for name in names if access_keys.can_be_saved(seen.environment.get(name, ""))]


def _value(seen: Seen, name: str) -> str | None:
    save, yes = seen.context.options.get("save_keys"), seen.context.options.get("yes")
    if save is False or not places_of(seen).saved:
        return None
    value = seen.environment.get(name, "")
    if access_keys.can_be_saved(value):
        text = f"{name} is set in this shell, and planoai reads it from `.env` alone. Save it there?"
        return value if save or (not yes and seen.progress.confirm(text, default=True)) else None
    if yes:
        return None
    typed = (seen.progress.ask_secret(f"{name} for `.env` (unseen; Enter leaves it out)") or "").strip()
    if typed and not access_keys.can_be_saved(typed):
        seen.progress.note(f"{name} was not saved: that is no key that every reader of `.env` would read alike")
        return None
    return typed or None


def places_of(seen: Seen) -> access_keys.Places:
    """Return where planoai will look for keys once it is started by `planodev run`."""
    option = "".join(f" {word}" for word in map(shlex.quote, seen.config_option))
    return access_keys.places(seen.config.path, seen.env, seen.environment, option)


def faults_of(seen: Seen) -> list[access_keys.Fault]:
    """Return what planoai would stumble over among the keys, with what `.env` holds now."""
    return access_keys.faults(seen.config.keys, places_of(seen))
