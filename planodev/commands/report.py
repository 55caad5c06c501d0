"""The results of commands: the data for `--json` and the lines for people."""

from __future__ import annotations

import json
import shlex
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, NamedTuple

from planodev import engines, executables
from planodev.engines import choice, data_safety
from planodev.gateway import running
from planodev.plano import judge, models, planoai, rules, storage
from planodev.postgres import proof, state_table
from planodev.postgres.connection import host_of
from planodev.problems import Command, Fix, Problem
from planodev.project import credentials, defaults, env_file
from planodev.result import Result, counted
from planodev.visible import in_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from planodev.database import Database
    from planodev.gateway.running import Running
    from planodev.look import Files, Seen
    from planodev.plano.config_file import ConfigFile
    from planodev.postgres.connection import Connection
    from planodev.problems import NoEngine
    from planodev.production.files import Written
    from planodev.production.verify import Seen as Hosted
    from planodev.project.identity import Project
    from planodev.steps.verify import Verified


def state_of(seen: Seen, inside: proof.Evidence | None) -> str:
    """Return `running`, `stopped`, `absent` or `broken`: a server that runs but does not answer."""
    have, volume = seen.observed.container, seen.observed.volume
    if have is None:
        return "stopped" if volume else "absent"
    if volume is None or have.oom_killed or have.state in ("restarting", "dead", "removing"):
        return "broken"
    if have.state == "running":
        return "running" if inside and inside.facts else "broken"
    return "stopped"


def inside_of(evidence: proof.Evidence | None) -> dict[str, Any]:
    """Return postgres_version, table, conversations and data_bytes, each None where it can't be known."""
    facts = evidence.facts if evidence else None
    if evidence is None or facts is None:
        return dict.fromkeys(("postgres_version", "table", "conversations", "conversations_estimated", "data_bytes"))
    fault = state_table.judge(facts, ours=True)  # whose it is changes the fix alone
    return {
        "postgres_version": facts["server_version"].split()[0],
        "table": "ready" if fault is None else "missing" if fault.code == "table-missing" else "wrong",
        "conversations": evidence.conversations,
        "conversations_estimated": None if evidence.conversations is None else evidence.estimated,
        "data_bytes": facts["data_bytes"],
    }


GONE = Problem(
    "data-gone",
    "this project had a database, and its data is not in this engine",
    Fix("restore it from a backup, or create an empty one: ", Command("up")),
)
# The JSON keys of `up`, `status` and `verify`: always all of them, None where a value is not known.
KEYS = (
    *("engine", "project", "state", "container", "volume", "image", "postgres_version", "port", "addresses", "plano"),
    *("user", "database", "host", "env_file", "config_file", "table", "conversations", "conversations_estimated"),
    *("data_bytes", "settings", "running_plano", "through_plano"),
)


def _data(project: Project, evidence: proof.Evidence | None, **known: object) -> dict[str, Any]:
    return dict.fromkeys(KEYS) | {"project": str(project.path)} | inside_of(evidence) | known


def data_of(seen: Seen, evidence: proof.Evidence | None, plano: Running) -> dict[str, Any]:
    """Return what is known of a project whose engine answers."""
    have, volume = seen.observed.container, seen.observed.volume
    return _data(
        seen.project,
        evidence,
        engine=engines.as_json(seen.engine.info),
        state=state_of(seen, evidence),
        container=have.name if have else None,
        volume=volume.name if volume else None,
        image=have.image if have else volume.image if volume else None,
        port=(have.port if have else None) or seen.credentials.port or seen.settings.port.value,
        addresses=list(have.addresses) if have else [],
        plano=seen.mode,
        user=seen.user,
        database=seen.database,
        host=seen.credentials.foreign_host or host_of(seen.mode),
        env_file=str(seen.env.path) if seen.env.exists else None,
        config_file=str(seen.config.path) if seen.config.text is not None else None,
        settings=seen.settings.as_json(),
        running_plano=plano.as_json(),
    )


def lines_of(data: Mapping[str, Any], plano: Running | None = None, *, containers: bool = True) -> list[str]:
    """Return the same as lines of two columns, with the state of Plano; `containers` as in the engine's traits."""
    rows = [("state", data["state"])]
    if data["volume"] and not containers:
        rows.append(("data", data["volume"]))
    elif data["container"] or data["volume"]:
        rows.append(("container", f"{data['container'] or 'none'}, volume {data['volume'] or 'none'}"))
    if data["postgres_version"]:
        rows.append(("postgres", f"{data['postgres_version']} ({data['image']})"))
    if data["addresses"]:
        rows.append(("listens on", ", ".join(f"{address}:{data['port']}" for address in data["addresses"])))
    if data["env_file"]:
        connection = f"postgresql://{data['user']}:***@{data['host']}:{data['port']}/{data['database']}"
        rows.append((f"plano ({data['plano']})", connection))
    rows.append((PurePath(data["env_file"] or env_file.NAME).name, data["env_file"] or "none"))
    rows.append(("config", data["config_file"] or "none"))
    if data["table"]:
        stored = (
            ""
            if data["conversations"] is None
            else f", {counted(data['conversations'], estimated=bool(data['conversations_estimated']))}"
        )
        size = "" if data["data_bytes"] is None else f", {data['data_bytes'] / 1e6:.1f} MB"
        rows.append(("table", f"{data['table']}{stored}{size}"))
    if data["engine"]:
        engine = engines.EngineInfo(**data["engine"])
        reason = f"{engine.source}; {engine.why}" if engine.why else engine.source
        rows.append(("engine", f"{engine.called} {engine.version} at {engine.endpoint}"))
        rows.append(("chosen", reason))
    if plano:
        rows.append(("plano", str(plano)))
    return [f"  {name:<16}{value}" for name, value in rows]


def up(database: Database, plano: Running, todo: list[Fix | str]) -> Result:
    """Return the end of `up`; `todo` is what has to be done before Plano can start."""
    seen = database.seen
    data = data_of(seen, database.proved, plano)
    said = f"Postgres {data['postgres_version']} is running. {_proved(seen)}"
    first = ["First: " + fix for fix in dict.fromkeys(todo)]
    lines = lines_of(data, containers=seen.engine.traits.containers)
    summary: list[str | Fix | Command] = [said, "", *lines, "", *first, *_next(seen, plano)]
    if plano.state != "connected" and not executables.find("planoai"):
        summary += [Fix("      (planoai is not on your PATH yet: ", planoai.installing(), ")")]
    return Result("up", data, summary, _of_plano(seen, plano), headline=said)


def _of_plano(seen: Seen, plano: Running, judged: Sequence[Problem] = ()) -> list[Problem]:
    problem = running.problem(plano, seen.config, judged)
    return [problem] if problem else []


def _proved(seen: Seen) -> str:
    problems = judge.judge_config(seen.config, None, seen.mode)
    if judge.stores_nothing(problems):
        return "Verified: Plano reaches its table; of this configuration's models it stores none."
    return "Verified: Plano can store conversations."


def planned(seen: Seen, inside: proof.Evidence | None, plano: Running) -> Result:
    """Return the end of a dry run; `inside` is what the server says of itself, as for `status`."""
    notices = [*silence(seen, inside), *_of_plano(seen, plano)]
    return Result("up", data_of(seen, inside, plano), ["Nothing was changed (dry run)"], notices)


_COMPACT = (",", ":")  # for lines of 100 columns
FIRST_QUESTION = Command("ask", "My order 1234 has not arrived.")


def _next(seen: Seen, plano: Running) -> list[str | Command]:
    """Return how to go on: with a Plano that is to be started, or that can be asked."""
    if plano.state != "connected":
        return [planoai.STARTS_PLANO]
    return [*tries(seen.config), "", FIRST_QUESTION]


def tries(config: ConfigFile) -> list[str]:
    """Return the lines by which somebody tries a running Plano with curl: two turns."""
    known = [model for model in models.of(config.content or {}) if not model.router and not model.wildcard]
    model = next((model.name for model in known if model.default), known[0].name if known else "PROVIDER/MODEL")
    port = rules.model_port(config)
    head = f"curl http://localhost:{port}/v1/responses -H 'Content-Type: application/json'"
    first, second = {"model": model, "input": "My name is Ann."}, {"model": model, "input": "Who am I?"}
    second["previous_response_id"] = "resp_…"
    return [
        f"Plano answers at http://localhost:{port}, also with curl; a second turn names the first one's id:",
        *(
            line
            for body in (first, second)
            for line in (
                f"  {head} \\",
                f"    -d {shlex.quote(in_json(json.dumps(body, ensure_ascii=False, separators=_COMPACT)))}",
            )
        ),
    ]


def verify(found: Verified, plano: Running, through: dict[str, Any] | None = None) -> Result:
    """Return the end of `verify`; `through` is what two turns through Plano have shown."""
    data, connection = data_of(found.seen, found.evidence, plano), found.connection
    lines = [_can_store(connection)]
    if through:
        lines.append(f"Plano stores and remembers: two turns of {through['model']}, seen in the table")
    return Result("verify", {**data, "through_plano": through}, lines)


def verify_elsewhere(seen: Hosted) -> Result:
    """Return the end of `verify --env-file`: the same keys, of a server that is not planodev's."""
    connection = seen.connection
    data = _data(
        seen.project,
        seen.evidence,
        state="running",
        port=connection.port,
        addresses=[seen.address],
        plano=seen.settings.plano.value,
        user=connection.user,
        database=connection.database,
        host=connection.host,
        env_file=str(seen.env_path),
        config_file=str(seen.config_path),
        settings=seen.settings.as_json(),
    )
    return Result("verify", data, [f"{_can_store(connection)} (PostgreSQL {data['postgres_version']})"])


def _can_store(connection: Connection) -> str:
    where = f"{connection.host}:{connection.port}/{connection.database}"
    return f"Plano can store conversations as {connection.user} at {where}"


def production(written: Written) -> Result:
    """Return the end of `production`."""
    data = {
        "provider": written.provider,
        "directory": str(written.directory),
        "files": [{"path": name, "done": done} for name, done in written.files.items()],
        "to_fill_in": written.to_fill_in,
    }
    summary = [f"Next: `{written.directory / 'PRODUCTION.md'}` has the steps"]
    if written.to_fill_in:
        summary.insert(0, f"To fill in: {', '.join(written.to_fill_in)}")
    return Result("production", data, summary)


def status(seen: Seen, inside: proof.Evidence | None, plano: Running, judged: Sequence[Problem]) -> Result:
    """Return the status.

    Args:
        seen: the project.
        inside: what the server says of itself.
        plano: what was seen of Plano.
        judged: what is wrong with its configuration and the providers' keys.

    """
    data = data_of(seen, inside, plano)
    up = Command("up")
    hint = {
        "absent": Fix(up, " creates the database"),
        "stopped": Fix(up, " starts it; the data is kept"),
        "broken": Fix(up, " repairs it"),
    }.get(data["state"])
    if data["state"] == "running" and (data["table"] != "ready" or not seen.env.exists or seen.config.text is None):
        wrong = data["table"] == "wrong"
        hint = Fix(Command("verify"), " says what is wrong with the table") if wrong else Fix(up, " completes it")
    if data["state"] == "absent" and seen.settings.name.value in seen.observed.taken:
        from planodev.engines.docker import adopt

        made = adopt.find(seen.engine, seen.settings.name.value)
        hint = Fix(Command("up", "--adopt"), f" adopts `{made.name}`, which was created by hand") if made else hint
    if seen.credentials.foreign_host:
        hint = _next_elsewhere(seen)
    own = seen.config.connection_string if seen.config.text is not None else None
    if data["state"] == "absent" and own and not storage.names_ours(own):
        hint = Fix(Command("verify"), f" verifies the database that `{seen.config.path.name}` names")
    notices = [*judged, *silence(seen, inside), *_of_plano(seen, plano, judged)]
    if two := data_safety.two_servers(seen.observed, "warning"):
        notices.append(two)
    if seen.lost_data and not seen.observed.container:
        why = data["engine"]["why"]
        data["engine"]["why"] = choice.HAD_DATA if why == choice.HAS_DATA else why
        notices.append(GONE)
    lines = lines_of(data, plano, containers=seen.engine.traits.containers)
    summary: list[str | Fix] = [*lines, *(("", "Next: " + hint) if hint else ())]
    return Result("status", data, summary, notices)


def _next_elsewhere(seen: Seen) -> Fix:
    """Return what comes next where `.env` names a server that planodev does not run, which `up` leaves alone."""
    if seen.config.text is None:
        return credentials.completing(seen.env, seen.credentials, credentials.CONFIGURE)
    return Fix(Command("verify"), f" verifies the database that `{seen.env.path.name}` names")


def silence(seen: Seen, inside: proof.Evidence | None) -> list[Problem]:
    """Return the warnings for a server that runs, and that another session or something else keeps from answering."""
    have = seen.observed.container
    if have is None or inside is None:
        return []
    if inside.facts and inside.facts["lock"]:
        return [proof.locked(inside.facts, seen.by_hand, "warning")]
    if inside.error and proof.is_late(inside):
        from planodev.postgres import locked_catalogue

        return [locked_catalogue.silent(inside, seen, have, "warning")]
    return []


def no_engine(project: Project, files: Files, error: NoEngine) -> Result:
    """Return what can be said without an engine; the state is unknown, which is no failure of `status`."""
    env, wanted, chosen, config = files.env, files.credentials, files.settings, files.config
    data = _data(
        project,
        None,
        state="broken" if env.exists else "absent",
        port=wanted.port,
        addresses=[],
        plano=chosen.plano.value,
        user=wanted.user or defaults.USER,
        database=wanted.database or defaults.DATABASE,
        host=wanted.foreign_host or host_of(chosen.plano.value),
        env_file=str(env.path) if env.exists else None,
        config_file=str(config.path) if config.text is not None else None,
        settings=chosen.as_json(),
    )
    notice = Problem(error.code, f"{error.message}{f': {error.why}' if error.why else ''}", error.fix)
    return Result("status", data, lines_of(data), [notice])


class Stopped(NamedTuple):
    """What `down` has done.

    Args:
        plano: the state of Plano before.
        plano_stopped: whether it was stopped.
        stopped: whether Postgres was stopped.
        deleted: what went, in words; "" where nothing did.
        turns: those stored that were counted before, None where they were not.

    """

    plano: Running
    plano_stopped: bool
    stopped: bool
    deleted: str
    turns: int | None


def down(seen: Seen, done: Stopped) -> Result:
    """Return the end of `down`."""
    from planodev.project import snapshots

    stopped, deleted = done.stopped, done.deleted
    kept_snapshots = snapshots.kept(seen.project_id)
    have, volume = seen.observed.container, seen.observed.volume
    data = {
        "stopped": stopped,
        "deleted": bool(deleted),
        "container": have.name if have else None,
        "volume": volume.name if volume else None,
        "conversations": done.turns,
        "snapshots": kept_snapshots,
        "running_plano": done.plano.as_json(),
        "plano_stopped": done.plano_stopped,
    }
    if have is None and volume is None:
        return Result("down", data, ["Nothing to stop: this project has no database"])
    if deleted:
        kept = (
            f"`{seen.env.path.name}` and `{seen.config.path.name}` are kept"
            if seen.env.exists
            else "no file was changed"
        )
        rest = ", ".join(f"`{name}`" for name in kept_snapshots)
        also = (
            [Fix(f"Snapshots are kept: {rest}; ", Command("snapshot", "restore"), " needs an `up` first")]
            if rest
            else []
        )
        return Result("down", data, [f"Deleted {deleted}; {kept}", *also])
    lines: list[str | Fix] = ["Postgres is stopped" if stopped else "Postgres was not running"]
    if volume:
        again = ("--with-plano",) if done.plano.runs else ()
        kept = f"The data is kept in the {seen.engine.wording.data} `{volume.name}`; "
        lines += [
            Fix(kept, Command("up", *again), " starts Postgres again"),
            Fix("To delete it: ", Command("down", "--delete-data")),
        ]
    return Result("down", data, lines)
