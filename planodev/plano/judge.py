"""Will Plano start, and will it store? A configuration and its keys read as Plano will read them.

Plano says nothing of all this itself: planoai's validation passes most of it, and chats are answered without a history.
Sources: Plano 0.4.36 `crates/brightstaff/src/handlers/llm/mod.rs:295,557,762` (only POST /v1/responses on the model
listener is stored), `crates/brightstaff/src/router/` (a preference answers in place of the model that was asked for);
planoai 0.4.39 `utils.py:195-252` (which entries are keys, how `.env` is read), `main.py:455-485` (a key that is nowhere
ends the start). What Plano does not start with is in `rules.py`, who is stored in `models.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from planodev import masking
from planodev.plano import known_models, models, rules, servers, startup, storage
from planodev.plano.access_keys import breaks_yaml, is_placeholder, reference_in
from planodev.plano.entries import entries
from planodev.plano.providers import FALLBACK, chat_prefix
from planodev.plano.rules import shown
from planodev.postgres.connection import CONNECTION_STRING
from planodev.problems import Command, Fix, Problem
from planodev.project import env_file, env_keys

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from planodev.plano.access_keys import AccessKey, Places
    from planodev.plano.config_file import ConfigFile
    from planodev.plano.driver_url import Target
    from planodev.plano.models import Model

_ROOM = 29  # columns for the names of keys, so that a message fits into 100; the fix names all


def judge_config(
    config: ConfigFile,
    environment: Mapping[str, str] | None,
    mode: str,
    option: tuple[str, ...] = (),
    port: int | None = None,
) -> list[Problem]:
    """Return what keeps Plano from starting or storing, each once, errors first; nothing where there is no file.

    What planoai alone can say is in `validation.py`.

    Args:
        config: the configuration; its providers' keys are judged by `judge_keys`.
        environment: what Plano is started with, for the connection string; None where that is not known yet.
        mode: `docker` or `native`.
        option: what `up` needs to see this configuration, such as `("--config", "other.yaml")`.
        port: of the project's own database on this machine, None where it has none.

    """
    content = config.content
    if content is None:
        return []
    found = [
        *rules.problems(config, content, port),
        *startup.problems(config, content, environment, mode),
        *servers.problems(config, content, mode),
        *_misspelt(config, content, environment),
        *_stored(config, content, option),
        *_storage(config, option),
        *_connection_string(config, environment, mode, option, port),
    ]
    return sorted(dict.fromkeys(found), key=lambda problem: not problem.fatal)


def _misspelt(
    config: ConfigFile, content: Mapping[str, Any], environment: Mapping[str, str] | None
) -> Iterator[Problem]:
    for model in models.of(content):
        better = known_models.meant(model, environment)
        if better:
            path = (*model.path, "model")
            message = f"no provider is known to have the model `{shown(model.name)}`{config.at(*path)}"
            name = f"{model.prefix}/{better}"
            fix = f"did you mean `{name}`? Write `model: {name}` in {config.where(*path)}"
            yield Problem("model-unknown", message, fix)


def stores_nothing(problems: Iterable[Problem]) -> bool:
    """Say whether Plano would start, and store no conversation of any model."""
    return any(problem.code == NOTHING_STORED for problem in problems)


NOTHING_STORED = "provider-keeps-history"
UNSET = "connection-string-unset"


def other_database(config: ConfigFile, target: Target, option: tuple[str, ...] = ()) -> Problem:
    """Return the problem of a configuration that names another database than the project's.

    Args:
        config: the configuration.
        target: what `storage.foreign_target` found.
        option: what `up` needs to see this configuration.

    """
    name = config.path.name
    text = config.connection_string or ""
    fix = Fix(
        f"to use the project's own, {config.without('state_storage', 'connection_string')}, then ",
        Command("up", *option, "--yes"),
    )
    if env_keys.PASSWORD not in storage.variables(text):  # which `verify` doesn't send elsewhere
        fix = Fix(Command("verify"), " checks that one; ") + fix
    # As written where it has variables, so that no value of one is shown.
    why = f"its connection_string is {masking.value(text) if '$' in text else target.masked}"
    at = config.at("state_storage", "connection_string")
    message = f"`{name}`{at} names a database that planodev does not run"
    return Problem("other-database", message, fix, why, level="error")


def with_other_database(
    found: list[Problem], config: ConfigFile, target: Target | None, option: tuple[str, ...] = ()
) -> list[Problem]:
    """Return what was found, after the warning that the configuration names another database where it does."""
    refused = any(problem.fatal and problem.code.startswith("connection-string") for problem in found)
    if target is None or refused:  # a string that is refused names no server
        return found
    return [replace(other_database(config, target, option), level="warning"), *found]


def _stored(config: ConfigFile, content: Mapping[str, Any], option: tuple[str, ...]) -> Iterator[Problem]:
    """Yield the models whose conversations Plano does not keep, as far as a client meets them."""
    named = [model for model in models.of(content) if not model.router]
    yield from _modelless(config, content, named)
    found = [model for model in named if model.interface]
    default = next((model for model in found if model.default), None)
    yield from _unanswered(config, found, default, option)
    # Without a default brightstaff takes the first one.
    yield from _left_out(config, found, default or next(iter(found), None), option)


def _modelless(config: ConfigFile, content: Mapping[str, Any], named: Sequence[Model]) -> Iterator[Problem]:
    lists = [content[key] for key in models.LISTS if key in content]
    # A list that is not read as models, and a file with which Plano does not start, have problems of their own.
    if not named and "listeners" in content and all(one == [] or models.of(content) for one in lists):
        message = f"`{config.path.name}` names no model, so there is no conversation that Plano could store"
        entry = f"{{model: {FALLBACK}, access_key: $ANTHROPIC_API_KEY, default: true}}"
        yield Problem("no-models", message, f"add one, such as `- {entry}` under `model_providers:`")


def _unanswered(
    config: ConfigFile, found: Sequence[Model], default: Model | None, option: tuple[str, ...]
) -> Iterator[Problem]:
    mute = [model for model in found if not model.answers]
    if mute:
        fatal = default in mute or len(mute) == len(found)
        message = f"{_listed(config, mute)} never answers POST /v1/responses, which is what Plano stores"
        fix = _chat_form(config, mute, option)
        yield Problem("groq-unanswered", message, fix, level="error" if fatal else "warning")


def _left_out(
    config: ConfigFile, found: Sequence[Model], default: Model | None, option: tuple[str, ...]
) -> Iterator[Problem]:
    """Yield the warnings for conversations that Plano does not store: all, those of the default model, or parts."""
    left = [model for model in found if not model.stored and model.answers]
    kept = [model for model in found if model.stored]
    if not left:
        return
    fix = _chat_form(config, left, option)
    if not kept:
        message = f"Plano leaves the history to the provider of {_listed(config, left)}, and stores nothing"
        yield Problem(NOTHING_STORED, message, fix + f"; or add a model that is stored, such as `{FALLBACK}`")
        return
    if default and default in left:
        message = f"Plano does not store what the default model answers, {_listed(config, [default])}"
        yield Problem("default-not-stored", message, f"ask for `{shown(kept[0].name)}` instead; or " + fix)
    for wildcard in [model for model in left if model.wildcard]:
        for model in [model for model in kept if model.prefix == chat_prefix(wildcard.prefix)][:1]:
            name, place = f"{wildcard.prefix}/{shown(model.model_id)}", _listed(config, [wildcard])
            message = f"{place} answers requests for `{name}`, and Plano does not store them"
            fix_of = f"ask for `{shown(model.name)}`, or {config.without(*wildcard.path)}"
            yield Problem("wildcard-not-stored", message, fix_of)
    if _mixed(config.content or {}, default):
        message = "a conversation breaks where routing goes from a model that Plano stores to one that it does not"
        yield Problem("preferences-mixed", message + config.at("routing_preferences"), fix)


def _listed(config: ConfigFile, found: Sequence[Model]) -> str:
    return ", ".join(f"`{shown(model.name)}`{config.at(*model.path, 'model')}" for model in found)


def _mixed(content: Mapping[str, Any], default: Model | None) -> bool:
    """Say whether a routing preference may answer with another kind of model than was asked for, or than before."""
    listed = [name for one in entries(content, "routing_preferences") for name in one.get("models") or ()]
    found = models.of(content)
    reached = [model for model in found if model.name in listed or model.model_id in listed]
    for model in found:  # the form before Plano 0.4
        entry = content[model.path[0]][model.path[1]]
        reached += [model] if entry.get("routing_preferences") else []
    return bool(reached) and len({model.stored for model in [*reached, *([default] if default else [])]}) > 1


def _chat_form(config: ConfigFile, found: Sequence[Model], option: tuple[str, ...]) -> Fix:
    """Return the fix that makes Plano keep the history: the exact lines of the first model, and what writes all."""
    first = next((model for model in found if model.chat_form), None)
    if first is None or first.chat_form is None:
        return Fix(f"name the models that you use in place of {_listed(config, found[:1])}, each on its own line")
    entry = (config.content or {})[first.path[0]][first.path[1]]
    lines = [f"{key}: {value}" for key, value in first.chat_form.items() if entry.get(key) != value]
    does = " makes Plano keep it"
    if all(shown(line) == line for line in lines):  # nobody can write an address whose password is not shown
        does += f": {', '.join(f'`{line}`' for line in lines)} in {config.where(*first.path, 'model')}"
    return Fix(Command("up", *option, "--store-all", "--yes"), does)


def _storage(config: ConfigFile, option: tuple[str, ...]) -> Iterator[Problem]:
    if config.lacks:
        fix = _mended(config, None, option, " adds what is missing, and nothing else")
        message = f"Plano would not use this database: {config.lacks}{config.at('state_storage')}"
        if "state_storage" not in (config.content or {}):
            message += ", and without it Plano keeps no conversation at all"
        yield Problem("config-without-storage", message, fix, level="error")


def _mended(config: ConfigFile, string: str | None, option: tuple[str, ...], does: str) -> Fix | str:
    """Return the command that edits the file, or what to write where it cannot be edited without changing more."""
    from planodev.plano.config_edit import NotEditable, with_storage

    try:
        with_storage(config.text or "", string)
    except NotEditable:
        block = f'{{type: postgres, connection_string: "{string or CONNECTION_STRING}"}}'
        return f"write `state_storage: {block}` by hand in {config.where('state_storage')}"
    return Fix(Command("up", *option, "--yes"), does)


def _connection_string(
    config: ConfigFile, environment: Mapping[str, str] | None, mode: str, option: tuple[str, ...], port: int | None
) -> Iterator[Problem]:
    text = config.connection_string
    if text is None or text == CONNECTION_STRING:
        return
    at = config.at("state_storage", "connection_string")
    what = f"the connection string in `{config.path.name}`{at}"
    known = environment or {}
    wanted = storage.wanted_string(text, port, known, mode)
    if storage.is_placeholder(text):
        message = f"{what} is an example that was never filled in"
        fix = _mended(config, wanted, option, f" writes the five {env_keys.PREFIX}* variables there")
        yield Problem("connection-string-placeholder", message, fix, level="error")
        return
    slip = storage.slip(text, known, mode)
    if slip:
        fix = _mended(config, wanted, option, f" writes the five {env_keys.PREFIX}* variables there")
        yield replace(slip.problem(what), fix=fix)
        return
    literal = storage.literal_port(text)
    if wanted != text:
        message = f"{what} has port {literal}, and the database listens on {port}"
        fix = _mended(config, wanted, option, f" writes `${{{env_keys.PORT}}}` there")
        yield Problem("connection-string-port", message, fix, level="error")
    # planodev itself sets the five variables; with stand-ins for them the text around them is judged.
    values = {**storage.STAND_INS, **(environment or {})}
    unset = [variable for variable in storage.variables(text) if not values.get(variable)]
    if unset:
        if environment is not None:
            yield _unset(what, unset)
        return
    defaults = storage.with_default(text)
    if defaults:
        message = f"{what} has {defaults[0]}, and Plano replaces only `${{NAME}}`"
        where = config.where("state_storage", "connection_string")
        fix = f"write `${{{defaults[1]}}}` in its place in {where}"
        yield Problem("connection-string-default", message, fix, level="error")
        return
    from planodev.plano import driver_url

    place = f", in {config.where('state_storage', 'connection_string')}"
    for problem in driver_url.problems(storage.substitute(text, values, mode)):
        yield replace(problem, fix=(problem.fix or "") + place)


def _unset(what: str, unset: Sequence[str]) -> Problem:
    """Return the problem of all variables of the connection string that nobody sets."""
    known = [variable for variable in unset if storage.called(variable) == variable]
    names = ", ".join(f"${variable}" for variable in known)
    says = f"names {names}, which {'is' if len(known) == 1 else 'are'} not set"
    if len(known) < len(unset):
        says = "has a `$` that is not followed by a set variable"
    message = f"{what} {says} where planoai starts"
    fix = Fix(
        "" if len(known) == len(unset) else "write a `$` of the password as `%24`; or ",
        f"put {', '.join(f'{variable}=…' for variable in known) or 'NAME=…'} into `.env` and start Plano with ",
        Command("run", "--", "planoai", "up"),
        f"; for this project's own database write `{CONNECTION_STRING}`",
    )
    return Problem(UNSET, message, fix, level="error")


@dataclass(frozen=True)
class KeyProblem(Problem):
    """What is wrong with one provider key.

    Args:
        key: the variable, "" where none is named.
        absent: whether a value is missing, so that one could be saved.

    """

    key: str = ""
    absent: bool = False


def judge_keys(keys: Iterable[AccessKey], places: Places) -> list[KeyProblem]:
    """Return the problems of the keys that a configuration names: missing or misread by planoai; errors first."""
    text = places.text
    values = places.shell if text is None else env_file.read_as_planoai(text)
    found = [problem for key in keys if (problem := _key(key, values, places))]
    return sorted(found, key=lambda problem: not problem.fatal)


def _key(key: AccessKey, values: Mapping[str, str], places: Places) -> KeyProblem | None:
    name = key.name
    if not name or key.braces:
        return _misnamed(key, places)
    value = values.get(name)
    if value is None and values.get(f"export {name}"):
        message = f"{name} in `.env` starts with `export`, and planoai reads that as part of the name"
        fix = f"write {name}=… without `export` in `{places.file}`"
        return KeyProblem("key-exported", message, fix, level="error", key=name)
    whose = reference_in(value) if value else None
    if whose:
        place = "this shell" if values is places.shell else "`.env`"
        message = f"{name} in {place} is a reference {whose}, and planoai sends it unresolved"
        itself = Fix(Command("keys", "set", name, *places.option), f" saves the key itself in `{places.file}`")
        return KeyProblem("key-is-reference", message, itself, level="error", key=name)
    if value is None or not value.strip("\"'") or is_placeholder(value):
        code = "key-not-in-env-file" if value is None else "key-placeholder" if value.strip("\"'") else "key-empty"
        return _absent(code, [name], places)
    return _misread(name, value, places) if values is not places.shell else None


def _misnamed(key: AccessKey, places: Places) -> KeyProblem:
    """Return the problem of a key that is not named as `$NAME`."""
    name, config = key.name, places.config.name
    lines = f"line{'s' if len(key.lines) > 1 else ''} {', '.join(map(str, key.lines))}" if key.lines else ""
    said = f"an access_key in `{config}`{f' ({lines})' if lines else ''}"
    where = f"{lines} of `{config}`" if lines else f"`{config}`"
    if key.braces:
        message = f"{said} is `${{{name}}}`, and planoai accepts no braces there"
        fix = f"write `{_named_by(key, name)}` in {where}"
        return KeyProblem("access-key-braces", message, fix, level="error", key=name)
    if key.meant:
        message = f"{said} names {key.meant} in another form than `$NAME`"
        fix = f"write `{_named_by(key, key.meant)}` in {where}"
        return KeyProblem("access-key-literal", message, fix, level="error")
    message = f"{said} is a literal value, and planoai reads it as a variable's name"
    fix = f"move it to `{places.file}` as NAME=…, and write `{_named_by(key, 'NAME')}` in {where}"
    return KeyProblem("access-key-literal", message, fix, level="error")


def _named_by(key: AccessKey, variable: str) -> str:
    """Return how a configuration names the variable of a key: below a model, or in a header of a prompt target."""
    in_header = bool(key.paths) and key.paths[0][0] == "prompt_targets"
    return f"Authorization: Bearer ${variable}" if in_header else f"access_key: ${variable}"


def together(problems: Iterable[KeyProblem], places: Places) -> list[KeyProblem]:
    """Return the same with one problem for all keys that one line puts where planoai reads them."""
    groups: dict[object, list[KeyProblem]] = {}
    for problem in problems:
        groups.setdefault((problem.code, places.in_shell(problem.key)) if problem.absent else problem, []).append(
            problem
        )
    return [
        first if not more else _absent(first.code, [first.key, *(problem.key for problem in more)], places)
        for first, *more in groups.values()
    ]


def key_names(names: Sequence[str]) -> str:
    """Return some keys for a line of 100 columns: by name, or their number where they are many."""
    named = ", ".join(names)
    return named if len(names) == 1 or len(named) <= _ROOM else f"{len(names)} provider keys"


def _absent(code: str, names: Sequence[str], places: Places) -> KeyProblem:
    """Return the problem of keys without a value, which are all in the shell or all not."""
    place = "`.env`" if places.there else "the shell"
    in_shell = places.in_shell(names[0])
    who, why = f"{key_names(names)} {'is' if len(names) == 1 else 'are'}", ""
    if code == "key-placeholder":
        message = f"{who} only a placeholder in {place}, and Plano would send it"
    elif code == "key-empty":
        hides = ", and overrides the one in the shell" if in_shell and places.there else ""
        message = f"{who} empty in {place}{hides}; Plano would start without it"
    elif in_shell:
        message, why = f"{who} only in the shell: planoai would not start", "planoai reads keys from `.env` alone"
    else:
        message = f"{who} not set: planoai would not start"
        why = f"neither `.env` nor the shell has {'it' if len(names) == 1 else 'them'}"
    return KeyProblem(code, message, _save(names, places), why, level="error", key=names[0], absent=True)


def _save(names: Sequence[str], places: Places) -> Fix:
    """Return the fix that saves keys where planoai reads them."""
    them = "it" if len(names) == 1 else "them"
    if places.in_shell(names[0]) and places.saved:
        return Fix(Command("up", *places.option, "--save-keys"))
    copy = ("--from-environment",) if places.in_shell(names[0]) else ()
    into = "" if places.saved else f" into `{places.file}`"
    does = f" copies {them}{into}" if copy else f" reads {them}{into} without showing {them}"
    return Fix(Command("keys", "set", *names, *places.option, *copy), does)


def _misread(name: str, value: str, places: Places) -> KeyProblem | None:
    file = places.file
    if breaks_yaml(value):
        message = (
            f"{name} in `.env` begins or ends with a special character of YAML, and Plano cannot read its configuration"
        )
        fix = Fix(Command("keys", "set", name, *places.option), " reads the key itself, without showing it")
        return KeyProblem("key-breaks-yaml", message, fix, level="error", key=name)
    # Plano itself gets the right key in both cases, as the value is pasted into YAML; nothing promises that.
    if value[0] in "\"'":
        message = f"{name} in `.env` is quoted, and planoai reads the quotes as part of it"
        return KeyProblem("key-quoted", message, f"write {name}=… without quotes in `{file}`", key=name)
    if re.search(r"\s#", value):
        message = f"{name} in `.env` has a comment after it, and planoai reads that as part of it"
        return KeyProblem("key-with-comment", message, f"put the comment on its own line in `{file}`", key=name)
    return None
