"""An engine that keeps its state in memory, so that what planodev decides and asks is tested in milliseconds.

It stands for a Docker on another machine: no port of this one matters, and a login goes through `psql` as all else
does. Its PostgreSQL knows planodev's own scripts and refuses every other; `tests/engines/test_contract.py` holds it to
what the real engines do.
"""

from __future__ import annotations

import json
import re

from planodev.engines import (
    Container,
    EngineInfo,
    Image,
    Log,
    NameTaken,
    NotToldToGo,
    Observed,
    Output,
    PortTaken,
    Probe,
    Program,
    State,
    Storage,
    Traits,
    Volume,
    VolumeTaken,
)
from planodev.engines.docker.wording import WORDING
from planodev.postgres import create_table, limits, queries, state_table
from planodev.project.identity import ownership
from planodev.project.records import still_there
from tests.support.scram import matches

COLUMNS = {name: {"type": types[0], "not_null": False, "has_default": False, "generated": False}
           for name, types in state_table._TYPES.items()}  # fmt: skip


class FakePostgres:
    """The data in one volume: roles with their passwords, and databases with their rows, None without a table."""

    def __init__(self, server, major):
        self.volume = Volume(
            server.volume, server.owner, server.superuser, server.image, server.database, plano=server.plano
        )
        self.roles = {server.superuser: server.password}
        self.databases = {"postgres": None, server.database: None}
        self.major, self.ready = major, False

    def refusal(self, env):
        user, database = env["PGUSER"], env["PGDATABASE"]
        given = env.get("PGPASSWORD")
        if user not in self.roles or not (given is None or matches(self.roles[user], given)):
            return f'FATAL:  password authentication failed for user "{user}"'
        return None if database in self.databases else f'FATAL:  database "{database}" does not exist'

    def run(self, script, user, database):
        """Run one of planodev's scripts; returns the lines that it prints, None for a script that is not known."""
        known = {
            "LOGIN PASSWORD": lambda: self.let_in(script),
            "CREATE ROLE": lambda: self.make_databases(script),
            "rolcanlogin": lambda: [next(("true" for name in self.roles if f"'{name}'" in script), "none")],
            queries.DATABASES: lambda: list(self.databases),
            create_table.GUARDED: lambda: self.make_table(database),
            queries._HELD: lambda: [*(self.count(database) or ["0"]), "0"],
            "planodev_put": lambda: self.prove(user, database),
            state_table.FACTS: lambda: [json.dumps(self.facts(user, database)), *self.count(database)],
            "SELECT 1;": lambda: ["1"],
        }
        return next((answer() for part, answer in known.items() if part in script), None)

    def let_in(self, script):
        role = re.search(r"ALTER ROLE \"(.+)\" LOGIN PASSWORD '(.+)';", script)
        self.roles[role[1]] = role[2]
        return []

    def make_databases(self, script):
        for name in re.findall(r'CREATE DATABASE "(.+?)"', script):
            self.databases.setdefault(name, None)
        return []

    def count(self, database):
        return [] if self.databases[database] is None else [str(len(self.databases[database]))]

    def make_table(self, database):
        there = self.databases[database] is not None
        self.databases[database] = self.databases[database] or []
        return ["t" if there else "f"]

    def prove(self, user, database):
        stored = ["planodev_proof|[]|1234567890|model|provider", "stored"]
        return [
            json.dumps(self.facts(user, database)),
            *self.count(database),
            *(stored if self.count(database) else []),
        ]

    def facts(self, user, database):
        found = {
            "name": state_table.NAME,
            "kind": "r",
            "persistence": "p",
            "owner": user,
            "columns": COLUMNS,
            "unique_response_id": True,
        }
        found["privileges"] = ["SELECT", "INSERT", "UPDATE", "DELETE"]
        version = {"server_version": f"{self.major}.9", "server_version_num": self.major * 10000 + 9}
        known = {
            "user": user,
            "database": database,
            "encoding": "UTF8",
            "search_path": "public",
            "read_only": False,
            "elsewhere": None,
            "lock": None,
        }
        there = self.databases[database] is not None
        return {**version, **known, "sessions": None, "data_bytes": 8_000_000, "table": found if there else None}


class FakeEngine:
    """The engine; a test reads and sets its attributes as what others have done meanwhile."""

    why = ""
    wording = WORDING
    traits = Traits(containers=True, hairpin=True, fixed={})
    info = EngineInfo("docker", "tcp://fake:2375", "a test", "28.5", "fake", local=False)

    def __init__(self):
        self.limit = lambda: 60.0
        self.containers = {}  # name → Container
        self.passwords = {}  # of containers
        self.data = {}  # volume → FakePostgres
        self.others = {}  # the containers of nobody here, name → port or None
        self.other_server = ""  # the container that has a server over the project's volume too
        self.copies = ()  # the names of those that have the project's labels, and not its volume
        self.images = {"postgres:16": Image("sha256:" + "a" * 64, 16)}
        self.registry = {"postgres:17": Image("sha256:" + "b" * 64, 17)}
        self.changes = []  # what has been changed, by the method's name
        self.before = {}  # method's name → what happens first, once

    def _changing(self, what):
        self.changes.append(what)
        self.before.pop(what, lambda: None)()

    def observe(self, project, project_id, *, to_stop=False):
        def related(owner):
            return ownership(project, project_id, owner, still_there)

        ours = next((one for one in self.containers.values() if related(one.owner) == "ours"), None)
        volumes = [data.volume for data in self.data.values()]
        used = ours.volume if ours else next((one.name for one in volumes if related(one.owner) == "ours"), None)
        names = {*self.containers, *self.others, *self.copies, *self.data} - {ours and ours.name, used}
        published = {one.port: f"the container `{one.name}`" for one in self.containers.values() if self._runs(one)}
        published |= {port: f"the container `{name}`" for name, port in self.others.items()}
        return Observed(
            ours,
            next((one for one in volumes if one.name == used), None),
            tuple(one for one in volumes if related(one.owner) == "namesake" and one.name != used),
            dict.fromkeys(names, "planodev did not create it"),
            {**published, **({ours.port: None} if ours and self._runs(ours) else {})},
            frozenset(one.owner.project_id for one in volumes),
            self.copies,
            other_server="" if to_stop else self.other_server,
        )

    def _runs(self, container):
        return container.state == "running"

    def state(self, name):
        found = next((one for one in self.containers.values() if name in (one.id, one.name)), None)
        return State(found.state) if found else None

    def logs(self, container, lines=0, *, since=""):
        if since or self.state(container) is None:
            return Log("", since)
        return Log("LOG:  a line of a server's log\n", "end")

    def storage(self, volume, image):
        ready = self.data[volume.name].ready
        return Storage(self.data[volume.name].major, initialised=ready, marked=ready)

    def kept_password(self, container):
        return self.passwords.get(container.name)

    def image(self, name, *, look_into=False):
        return self.images.get(name)

    def pull(self, image, progress):
        self._changing("pull")
        self.images[image] = self.registry[image]

    def addresses(self, plano, image):
        return ("127.0.0.1",) if plano == "native" else ("127.0.0.1", "172.17.0.1")

    def create(self, server):
        self._changing("create")
        data = self.data.setdefault(server.volume, FakePostgres(server, self.images[server.image].major))
        if data.volume.owner.project_id != server.owner.project_id:
            raise VolumeTaken(f"`{server.volume}` is another's")
        if server.name in {*self.containers, *self.others, *self.copies}:
            raise NameTaken(f"`{server.name}` is another's")
        made = Container.planned(f"id of {server.name}", server)
        made = made._replace(image_id=self.images[server.image].id, plano=server.plano)
        self._bind(made)
        self.passwords[server.name] = server.password

    def start(self, container):
        self._changing("start")
        self._bind(container)

    def _bind(self, container):
        taken = [one.port for one in self.containers.values() if self._runs(one)] + list(self.others.values())
        if container.port in taken:
            raise PortTaken(f"port {container.port} is taken")
        self.containers[container.name] = container._replace(state="running")

    def stop(self, container, timeout):
        self._changing("stop")
        self.containers[container.name] = container._replace(state="exited")

    def remove_server(self, container):
        self._changing("remove_server")
        self.containers.pop(container.name, None)

    def remove_storage(self, volume):
        self._changing("remove_storage")
        self.data.pop(volume.name, None)

    def psql(self, where, script, env, *, seconds, ready=False, go=None):  # noqa: PLR0913  the seam's
        if go and not go():
            raise NotToldToGo
        at = [one for one in self.containers.values() if self._runs(one)]
        own = not isinstance(where, Probe) and "PGHOST" not in env
        server = next((one for one in at if (one.id == where.id if own else str(one.port) == env["PGPORT"])), None)
        if server is None:
            return Output(2, "", "connection to server failed: Connection refused")
        data = self.data[server.volume]
        refusal = data.refusal(env)
        if refusal:
            return Output(2, "", refusal)
        data.ready = data.ready or ready
        if "pg_sleep" in script:
            return Output(124, "", limits.silent(seconds))
        printed = data.run(script, env["PGUSER"], env["PGDATABASE"])
        if printed is None:
            return Output(3, "", "ERROR:  syntax error")
        return Output(0, "".join(f"{line}\n" for line in printed), "")

    def prepare(self, image, mode, life): ...

    def programs(self, container):
        del container
        return ()

    def program(self, container, command, variables, *, terminal=False):
        return Program(lambda streams: 1)  # it has no programs

    def disk(self):
        return None

    def close(self): ...
