"""Check that planoai finds the keys of the model providers, which it reads from `.env` alone, and save missing ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planodev.plano import access_keys, judge
from planodev.project import git
from planodev.project.env_file import NAME
from planodev.result import Outcome
from planodev.steps import config, env_file

if TYPE_CHECKING:
    from planodev.look import Seen
    from planodev.problems import Fix


def save(seen: Seen) -> tuple[Seen, list[Fix | str]]:
    """For each key that the configuration names: keep it, save it if the user agrees, or report that it is missing.

    Nothing is written without a word: a secret goes into a file only where the user said so, at the terminal or by
    `--save-keys`. Never an empty line or a placeholder, which planoai would take for a key.

    Returns:
        The project with what `.env` holds then, and what is to be done before Plano can start.

    """
    seen.progress.begin("Looking for provider keys")
    places = places_of(seen)
    problems = problems_of(seen, places)
    file = seen.keys_env if places.saved else None
    absent = [problem.key for problem in problems if problem.absent] if file else []
    found = {key: value for key in absent if (value := _value(seen, key))}
    if file and found:
        file.with_values(found).write()
        if file is not seen.env:
            env_file.ignore(seen.project.path, git.names_of(file.path), seen.progress)
        seen = seen.with_env_files()
        places = places_of(seen)
        problems = problems_of(seen, places)
    todo = report(seen, problems, places, set(found))
    if found:
        seen.progress.done(Outcome("saved", "keys", f"{judge.key_names([*found])} in `.env`"))
    else:
        seen.progress.done(outcome(seen, problems))
    return seen, todo


def report(
    seen: Seen, problems: list[judge.KeyProblem], places: access_keys.Places, saved: set[str]
) -> list[Fix | str]:
    """Say what is wrong with the keys; returns what is to be done before Plano can start."""
    left = judge.together((problem for problem in problems if problem.key not in saved), places)
    starts_plano = bool(seen.context.options.get("with_plano")) and not seen.context.dry_run
    for at, problem in enumerate(left):
        if at or not (starts_plano and problem.fatal):  # else the error that keeps Plano from being started tells it
            seen.progress.notice(problem)
    return [problem.fix for problem in left if problem.fatal and problem.fix]


def outcome(seen: Seen, problems: list[judge.KeyProblem]) -> Outcome:
    """Return what is said of keys that stay as they are."""
    missing = [problem.key for problem in problems if problem.absent]
    names = judge.key_names(missing or [key.name for key in seen.config.keys])
    return Outcome("unchanged", "keys", f"{names} missing" if missing else names, reached=not missing)


def would_save(seen: Seen, problems: list[judge.KeyProblem], places: access_keys.Places) -> list[str]:
    """Return the keys that `--save-keys` would copy from the shell."""
    if not seen.context.options.get("save_keys") or seen.keys_env is None or not places.saved:
        return []
    names = [problem.key for problem in problems if problem.absent]
    return [name for name in names if access_keys.can_be_saved(seen.environment.get(name, ""))]


def _value(seen: Seen, name: str) -> str | None:
    save, yes = seen.context.options.get("save_keys"), seen.context.options.get("yes")
    if save is False:
        return None
    value = seen.environment.get(name, "")
    if access_keys.can_be_saved(value):
        text = f"{name} is set in this shell, and planoai reads only `.env`. Save it there?"
        return value if save or (not yes and seen.progress.confirm(text, default=True)) else None
    if yes:
        return None
    typed = (seen.progress.ask_secret(f"{name} for `.env` (hidden; Enter skips it)") or "").strip()
    why = access_keys.why_not(typed) if typed else None
    if why:
        seen.progress.note(f"{name} was not saved: {why}")
        return None
    return typed or None


def places_of(seen: Seen) -> access_keys.Places:
    """Return where planoai will look for keys once `up` has ended and it is started by `planodev run`."""
    will_be = seen.env.path.name == NAME
    files = (seen.config.path, seen.env, seen.keys_env)
    return access_keys.places(*files, seen.environment, seen.config_option, will_be=will_be)


def problems_of(seen: Seen, places: access_keys.Places) -> list[judge.KeyProblem]:
    """Return the problems of the keys, with what `.env` holds now."""
    return judge.judge_keys(seen.config.keys, places)


def problems_of_start(seen: Seen) -> list[judge.KeyProblem]:
    """Return the problems of the keys for a Plano that is started now, errors first: with one, it would not start."""
    files = (seen.config.path, seen.env, seen.keys_env)
    places = access_keys.places(*files, config.environment_now(seen), seen.config_option)
    return judge.together(judge.judge_keys(seen.config.keys, places), places)
