"""`planodev keys`: the provider keys that the configuration needs, and a way to set them that nobody sees."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from planodev import executables
from planodev.look import files
from planodev.plano import access_keys, judge, planoai, providers
from planodev.plano.rules import closest, shown
from planodev.problems import BadInput, Command, Fix
from planodev.project import defaults, env_keys, git, lock, private_files
from planodev.project import env_file as env_files
from planodev.result import Outcome, Result
from planodev.steps import env_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from planodev.look import Context, Files
    from planodev.plano.access_keys import AccessKey, Places

_LITERAL = "a literal value"
_MOST_PIPED = 65536  # bytes; a key has some hundred


@dataclass(frozen=True)
class Need:
    """A key that the configuration needs.

    Args:
        key: as the configuration writes it.
        place: `.env`, `environment`, `missing`, `placeholder`, or `configuration` for one that is written as itself.
        found: whether planoai finds it there.
        models: that are reached with it.
        problem: what is wrong with it, None for nothing.

    """

    key: AccessKey
    place: str
    found: bool
    models: tuple[str, ...]
    problem: judge.KeyProblem | None

    def as_json(self) -> dict[str, Any]:
        """Return an entry of `keys` of `--json`."""
        code = self.problem.code if self.problem else None
        return {
            "name": self.key.name or None,
            "place": self.place,
            "found": self.found,
            "models": list(self.models),
            "problem": code,
        }


def listed(context: Context) -> Result:
    """List the keys that the configuration needs, and where each is; never a value.

    Args:
        context: with the option `config`.

    Raises:
        BadInput: a file cannot be read.

    """
    read = files(context)
    places = _places(context, read)
    needs = [_need(read, key, places) for key in read.config.keys]
    problems = judge.together((need.problem for need in needs if need.problem), places)
    data = {
        "config_file": str(read.config.path) if read.config.text is not None else None,
        "env_file": str(places.target),
        "keys": [need.as_json() for need in needs],
    }
    return Result("keys", data, _lines(read, needs), list(problems))


def _lines(read: Files, needs: Sequence[Need]) -> list[str | Fix]:
    if read.config.text is None:
        return [Fix("Plano has no configuration yet: ", Command("up"), " writes one")]
    if not needs:
        return [f"`{read.config.path.name}` needs no key"]
    width = max(len(need.key.name or _LITERAL) for need in needs)
    return [_line(need, width) for need in needs]


def _places(context: Context, read: Files) -> Places:
    option = ("--config", str(context.options["config"])) if context.options.get("config") else ()
    files = (read.config.path, read.env, read.keys_env)
    return access_keys.places(*files, context.environment, option, will_be=True)


def _need(read: Files, key: AccessKey, places: Places) -> Need:
    problem = next(iter(judge.judge_keys([key], places)), None)
    place = "environment" if places.text is None else ".env"
    if not key.name:
        place = "configuration"
    elif problem and problem.absent:
        place = "placeholder" if problem.code == "key-placeholder" else "missing"
        place = "environment" if places.in_shell(key.name) else place
    models = tuple(shown(model) for model in access_keys.models_of(read.config.content or {}, key))
    return Need(key, place, problem is None or not problem.fatal, models, problem)


def _line(need: Need, width: int) -> str:
    unread = ", where planoai does not look" if need.place == "environment" and not need.found else ""
    models = f"  for {', '.join(need.models)}" if need.models else ""
    return f"  {need.key.name or _LITERAL:<{width}}  {need.place}{unread}{models}"


def save(context: Context) -> Result:
    """Write keys into the `.env` in which planoai looks for them.

    Args:
        context: with the options `names`, `config` and `from_environment`.

    Raises:
        BadInput: a name or a value cannot be that of a key, or no value was given; nothing was written.

    """
    read = files(context)
    names = list(dict.fromkeys(context.options["names"]))
    for name in names:
        _check_name(name, read)
    values = _values(context, names)
    places = _places(context, read)
    path = places.target
    with lock.hold(context.project, defaults.LIMIT):
        env = env_files.load(path)
        new = env.with_values(values, references=True)
        same = new.text == env.text and env.mode == private_files.MODE
        if not same:
            new.write()
            env_file.ignore(path.parent, git.names_of(path), context.progress)
    verb = "unchanged" if same else "updated" if env.exists else "created"
    context.progress.done(Outcome(verb, path.name, ", ".join(values)))
    left = [one.key.name for one in _needs_after(context) if not one.found and one.key.name]
    next_line = Command("keys", "set", *left) if left else planoai.STARTS_PLANO
    data = {"names": list(values), "env_file": str(path), "changed": not same, "left": left}
    return Result("keys set", data, [next_line])


def _needs_after(context: Context) -> list[Need]:
    read = files(context)
    places = _places(context, read)
    return [_need(read, key, places) for key in read.config.keys]


def _check_name(name: str, read: Files) -> None:
    """Refuse an invalid variable name; it is not repeated in the error, since it may be a key pasted by mistake."""
    fix = Fix(Command("keys", "set", "NAME"), " asks for the value, or reads it from a pipe")
    if not access_keys.is_name(name):
        why = "a command line is visible to others and stays in the shell's history"
        raise BadInput("bad-key-name", "`keys set` accepts only names of variables", why=why, fix=fix)
    if name in env_keys.ALL or executables.steers(name):
        why = "`up` writes it" if name in env_keys.ALL else "it decides which code a program runs"
        raise BadInput("bad-key-name", f"{name} is not a provider key", why=why, fix=fix)
    needed = [key.name for key in read.config.keys if key.name]
    known = [key for provider in providers.PROVIDERS for key in provider.keys]
    if name in needed or name in known:
        return
    meant = closest(name, needed) or closest(name, known)
    if not meant and name != name.upper():  # as the keys of some providers, which are letters and digits
        why = "a name in small letters is one that the configuration has; a value is never typed on a command line"
        raise BadInput("bad-key-name", "`keys set` accepts only names of variables", why=why, fix=fix)
    if meant:
        where = f"`{read.config.path.name}` does not name {name}" if needed else f"no provider has the key {name}"
        raise BadInput("key-unknown", where, why=f"did you mean {meant}?", fix=Fix(Command("keys", "set", meant)))


def _values(context: Context, names: Sequence[str]) -> dict[str, str]:
    """Return the values: from the environment if asked for, else typed without echo, else from a pipe."""
    if context.options.get("from_environment"):
        found: list[str] = [context.environment.get(name, "") for name in names]
    else:
        typed = [context.progress.ask_secret(f"{name} (hidden)") for name in names]
        found = _piped(len(names)) if None in typed else [value or "" for value in typed]
    values = {name: value.strip() for name, value in zip(names, found, strict=False) if value.strip()}
    missing = [name for name in names if name not in values]
    if not values or (missing and len(found) < len(names)):
        again = Command("keys", "set", *missing)
        fix = Fix("at a terminal ", again, " asks for it; or pipe it in, one line for each")
        raise BadInput("key-not-given", f"no value was given for {', '.join(missing)}", fix=fix)
    for name, value in values.items():
        why = access_keys.why_not(value)
        if why:
            fix = Fix("copy the key from the provider's page again, then ", Command("keys", "set", name))
            raise BadInput("bad-key", f"the value for {name} cannot be saved as a key", why=why, fix=fix)
    return values


def _piped(count: int) -> list[str]:
    """Return the lines of stdin, one for each key."""
    if sys.stdin is None or sys.stdin.isatty():  # with --json nothing is asked on a terminal
        return []
    text = sys.stdin.buffer.read(_MOST_PIPED).decode(errors="replace").removeprefix("\ufeff")
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > count:
        fix = Fix(Command("keys", "set", "NAME", "NAME"), " reads a line for each name")
        raise BadInput("bad-key", f"{len(lines)} lines were piped in for {count} names", fix=fix)
    return lines
