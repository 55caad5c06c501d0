"""Servers of production for all tests of a session, and a project beside them."""

from __future__ import annotations

import shutil

import pytest

from tests.support.postgres_server import NOBODY, Authority, Project, openssl, own_directory, postgres, prepared


@pytest.fixture(scope="session")
def authority():
    with own_directory() as directory:
        made = Authority(directory)
        openssl(
            *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=Test authority"),
            *("-keyout", directory / "ca.key", "-out", made.certificate),
        )
        made.certificate.chmod(0o644)
        yield made


@pytest.fixture(scope="session")
def server():
    """A server that takes logins without encryption."""
    with postgres("host all all 127.0.0.1/32 scram-sha-256\n") as made:
        yield made


@pytest.fixture(scope="session")
def tls_server(authority):
    """A server that takes encrypted logins only, as RDS, Azure and Neon do; its certificate is for `localhost`."""
    key, certificate = authority.sign("localhost")
    for path in (key, certificate):
        path.chmod(0o600)
        if NOBODY:
            shutil.chown(path, "nobody")
    settings = {"ssl": "on", "ssl_key_file": key, "ssl_cert_file": certificate}
    with postgres("hostssl all all 127.0.0.1/32 scram-sha-256\n", *settings.items()) as made:
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
