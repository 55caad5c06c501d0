"""A database as people make one by hand, to be taken over."""

from __future__ import annotations

from functools import partial

import psycopg

from planodev.postgres import state_table
from tests.support.ports import free_port
from tests.support.waiting import without_error

PASSWORD = "p@ss w/o % and 'quotes'"
ROWS = ["before-1", "before-2", "before-3"]


class ByHand:
    """A container such as people make: `docker run --name … -e POSTGRES_PASSWORD=… -p … postgres:16`."""

    def __init__(self, api, name, **variables):
        self.api, self.name, self.port = api, name, free_port()
        self.variables = {"POSTGRES_PASSWORD": PASSWORD, **variables}
        self.user = self.variables.get("POSTGRES_USER", "postgres")
        self.database = self.variables.get("POSTGRES_DB", self.user)
        self.id = api.create_container(
            "postgres:16",
            name=name,
            environment=self.variables,
            ports=[5432],
            host_config=api.create_host_config(port_bindings={5432: self.port}, restart_policy={"Name": "always"}),
        )["Id"]
        api.start(self.id)
        with self.login() as session:
            session.execute(state_table.CREATE)
            for key in ROWS:
                session.execute(
                    "INSERT INTO conversation_states (response_id, input_items, created_at, model, provider)"
                    " VALUES (%s, '[]', 1, 'm', 'p')",
                    [key],
                )

    def login(self):
        way = {"host": "127.0.0.1", "port": self.port, "user": self.user, "dbname": self.database, "autocommit": True}
        log_in = partial(psycopg.connect, **way, password=self.variables["POSTGRES_PASSWORD"])
        return without_error(log_in, psycopg.OperationalError, 60)

    def facts(self):
        return self.api.inspect_container(self.id)
