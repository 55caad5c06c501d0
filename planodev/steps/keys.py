"""See that planoai will find the keys of the model providers, which it takes from `.env` alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planodev.plano import access_keys, judge
from planodev.project import env_file
from planodev.result import Outcome
from planodev.steps.verify import words

if TYPE_CHECKING:
    from planodev.work import Work


class SaveKeys:
    """Each key that the configuration names is kept, saved when that is wished, or said to be missing.

    Nothing is written without a word: a secret goes into a file only where the user said so, at the terminal or by
    `--save-keys`. Never an empty line or a placeholder, which planoai would take for a key.
    """

    title = "Looking for provider keys"

    def run(self, work: Work) -> Outcome:
        faults = faults_of(work)
        found = {fault.key: value for fault in faults if fault.absent and (value := self._value(work, fault.key))}
        if found and not work.dry_run:
            work.env.with_values(found).write()
            work.env = env_file.load(work.env.path)
            faults = faults_of(work)
        for fault in faults:
            if fault.key not in found:
                work.progress.notice(fault)
        work.first = [str(fault.fix) for fault in faults if fault.fatal and fault.key not in found]
        if found:
            return Outcome("would be saved" if work.dry_run else "saved", "keys", f"{', '.join(found)} in `.env`")
        missing = [fault.key for fault in faults if fault.absent]
        names = f"{', '.join(missing)} missing" if missing else ", ".join(key.name for key in work.config.keys)
        return Outcome("unchanged", "keys", names)

    def _value(self, work: Work, name: str) -> str | None:
        save = work.options.get("save_keys")
        if save is False or not places_of(work).saved:
            return None
        value = work.environment.get(name, "")
        if access_keys.can_be_saved(value):
            text = f"{name} is set in this shell, and planoai reads it from `.env` alone. Save it there?"
            ask = not save and not work.dry_run and not work.options.get("yes")
            return value if save or (ask and work.progress.confirm(text, default=True)) else None
        if work.dry_run or work.options.get("yes"):
            return None
        typed = (work.progress.ask_secret(f"{name} for `.env` (unseen; Enter leaves it out)") or "").strip()
        if typed and not access_keys.can_be_saved(typed):
            work.progress.note(f"{name} was not saved: that is no key that every reader of `.env` would read alike")
            return None
        return typed or None


def places_of(work: Work) -> access_keys.Places:
    """Return where planoai will look for keys once it is started by `planodev run`."""
    return access_keys.places(work.config.path, work.env, work.environment, words(work))


def faults_of(work: Work) -> list[judge.KeyProblem]:
    """Return what planoai would stumble over among the keys, with what `.env` holds now."""
    return judge.judge_keys(work.config.keys, places_of(work))
