"""Servers of production for all tests of a session, and a project beside them."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from tests.support.postgres_server import Project, new_authority, postgres, prepared, with_tls
from tests.support.requirements import require_path


@pytest.fixture(scope="session")
def authority():
    with new_authority() as made:
        yield made


@pytest.fixture(scope="session")
def server():
    """A server that takes logins without encryption."""
    with postgres("host all all 127.0.0.1/32 scram-sha-256\n") as made:
        yield made


@pytest.fixture(scope="session")
def tls_server(authority):
    """A server that takes encrypted logins only, as RDS, Azure and Neon do; its certificate is for `localhost`."""
    with postgres("hostssl all all 127.0.0.1/32 scram-sha-256\n", *with_tls(authority)) as made:
        yield made


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path / "shop")


@pytest.fixture
def ready(project, server):
    """A database where the rendered SQL has run, and an environment file that fits; returns (project, database)."""
    database = prepared(project, server, "self-hosted")
    yield project.env(DB_PORT=server.port, DB_NAME=database), database
    server.sql("ALTER ROLE plano_prod RESET ALL")


@pytest.fixture
def elsewhere():
    """An address of this machine that looks like another machine's."""
    if os.geteuid():
        require_path(None, "root")
    ip = require_path(shutil.which("ip", path=f"{os.environ['PATH']}:/usr/sbin:/sbin"), "iproute2")
    address = "10.231.77.7"
    subprocess.run([ip, "addr", "add", f"{address}/32", "dev", "lo"], check=True)
    yield address
    subprocess.run([ip, "addr", "del", f"{address}/32", "dev", "lo"], check=True)
