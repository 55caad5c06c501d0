"""A connection string: whose database it names, and what Plano reads once it is substituted."""

from __future__ import annotations

import json
import os
import re
from contextlib import nullcontext

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from planodev.plano import driver_url, storage
from planodev.postgres.connection import CONNECTION_STRING, Connection
from planodev.problems import BadInput
from planodev.project import env_file
from tests.support.planoai_recorder import envsubst

OURS = Connection("plano", "p@ss", "127.0.0.1", 5433, "plano")
THERE = Connection("plano", "p@ss", "host.docker.internal", 5433, "plano")
SET = {"DB_USER": "plano", "DB_PASS": "p%40ss", "DB_HOST": "127.0.0.1", "DB_PORT": "5433", "DB_NAME": "plano"}

MADE_OF_OURS = [
    CONNECTION_STRING,
    CONNECTION_STRING.replace("{", "").replace("}", ""),
    CONNECTION_STRING.replace("postgresql:", "postgres:"),
    f"{CONNECTION_STRING}?connect_timeout=5",
    f"{CONNECTION_STRING}?options=-c%20search_path%3Dapp",
    f"{CONNECTION_STRING}?sslmode=require",
    f"{CONNECTION_STRING}?pgbouncer=true",
    f" {CONNECTION_STRING}",
    "user=${DB_USER} password=${DB_PASS} host=${DB_HOST} port=${DB_PORT} dbname=${DB_NAME}",
]
NOT_MADE_OF_OURS = [
    "",
    "postgresql://plano:p%40ss@127.0.0.1:5433/plano",
    CONNECTION_STRING.replace("${DB_HOST}", "localhost"),
    CONNECTION_STRING.replace("${DB_NAME}", "other"),
    CONNECTION_STRING.replace("${DB_USER}", "me"),
    CONNECTION_STRING.replace("${DB_PASS}", "${SECRET}"),
    CONNECTION_STRING.replace("${DB_PORT}", "5432"),
    f"{CONNECTION_STRING}_test",
    "${DATABASE_URL}",
]


def test_which_strings_are_ruled_by_env():
    assert [text for text in MADE_OF_OURS if not storage.names_ours(text)] == []
    assert [text for text in NOT_MADE_OF_OURS if storage.names_ours(text)] == []


# text, ours, environment, mode, the host that is named or None
NAMED = [
    (None, OURS, SET, "native", None),
    (CONNECTION_STRING, OURS, SET, "native", None),
    (CONNECTION_STRING, None, {}, "native", None),
    (CONNECTION_STRING, OURS, {**SET, "DB_HOST": "elsewhere"}, "native", None),
    ("postgresql://plano:p%40ss@127.0.0.1:5433/plano", OURS, {}, "native", None),
    ("postgresql://plano:p%40ss@localhost:5433/plano", OURS, {}, "native", None),
    ("postgresql://plano:p%40ss@[::1]:5433/plano", OURS, {}, "native", None),
    ("postgresql://plano:p%40ss@localhost:5433/plano", THERE, {}, "docker", None),
    ("postgresql://plano:p%40ss@host.docker.internal:5433/plano", THERE, {}, "docker", None),
    ("postgresql://plano:p%40ss@127.0.0.1:5433/plano", THERE, {}, "docker", "127.0.0.1"),
    ("${DATABASE_URL}", OURS, {"DATABASE_URL": OURS.url}, "native", None),
    ("${DATABASE_URL}", OURS, {"DATABASE_URL": "postgresql://u:p@db.example:5432/d"}, "native", "db.example"),
    ("${DATABASE_URL}", OURS, {}, "native", None),
    ("postgresql://u:p@db.example:5432/d", OURS, {}, "docker", "db.example"),
    ("postgresql://u:p@db.example:5432/d", None, {}, "docker", "db.example"),
    ("postgresql://plano:p%40ss@127.0.0.1:5432/plano", OURS, {}, "native", "127.0.0.1"),
    ("postgresql://plano:p%40ss@127.0.0.1:5433/other", OURS, {}, "native", "127.0.0.1"),
    ("postgresql://other:p%40ss@127.0.0.1:5433/plano", OURS, {}, "native", "127.0.0.1"),
    ("postgresql://plano:wrong@127.0.0.1:5433/plano", OURS, {}, "native", "127.0.0.1"),
    ("postgresql://u:p@a:1,b:2/d", OURS, {}, "native", "a"),
    ("mysql://u:p@db.example/d", OURS, {}, "native", None),
    ("postgresql://u:p@db.example:x/d", OURS, {}, "native", None),
]


@pytest.mark.parametrize(("text", "ours", "environment", "mode", "host"), NAMED)
def test_whose_database_is_named(text, ours, environment, mode, host):
    target = storage.foreign_target(text, ours, environment, mode)
    assert (target and target.hosts[0][0]) == host
    if target:
        assert "p%40ss" not in target.masked
        assert ":***@" in target.masked


def test_the_way_there_has_all_that_is_needed_to_prove_it():
    text = "postgresql://u%2Fser:p%40ss@db.example:6000/d?options=-c%20search_path%3Dapp"
    way = storage.connection_to(storage.foreign_target(text, OURS, {}, "native"))
    assert way == Connection("u/ser", "p@ss", "db.example", 6000, "d", "-c search_path=app")


SUBSTITUTED = [
    # text, native, docker
    ("$A ${A} $B ${B}", "1 1 $B ${B}", "1 1  "),
    ("${A:-x} $$A ${1} ${A", "${A:-x} $1 ${1} ${A", "${A:-x} $1 ${1} ${A"),
    ("$A_B $Ab ${A}b", "$A_B $Ab 1b", "  1b"),
    ("localhost ${L}", "localhost localhost", "host.docker.internal localhost"),
    ("${E}.", ".", "."),
]


@pytest.mark.parametrize(("text", "native", "docker"), SUBSTITUTED)
def test_a_connection_string_is_substituted_as_plano_does(text, native, docker):
    values = {"A": "1", "L": "localhost", "E": ""}
    assert (storage.substitute(text, values, "native"), storage.substitute(text, values, "docker")) == (native, docker)


@given(
    st.lists(st.sampled_from([*"$$A1_ab-:. ", "${A}", "$A", "${E}", "${NONE}", "${A:-x}", "{", "}"]), max_size=12).map(
        "".join
    )
)
def test_plano_reads_what_those_do_that_substitute_for_it(text):
    assume("${" not in text.replace("${A", "").replace("${E}", "").replace("${NONE}", ""))
    assume(not re.search(r"\$\{[^}]*\$", text))  # nobody nests them
    values = {"A": "one $B", "A1": "two", "_": "three", "b": "", "E": ""}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "environ", values)
        assert storage.substitute(text, values, "native") == os.path.expandvars(text)
    assert storage.substitute(text, values, "docker") == envsubst(text, values)


def test_the_variables_are_named_once_each():
    assert storage.variables("$A${B}$A ${C:-x} $1 \\$D") == ["A", "B", "D"]
    assert storage.variables(CONNECTION_STRING) == ["DB_USER", "DB_PASS", "DB_HOST", "DB_PORT", "DB_NAME"]


def test_the_same_place_is_the_same_role_and_database_however_it_is_written():
    here = driver_url.parse(OURS.url)
    for other in (
        "postgres://plano:p%40ss@localhost:5433/plano",
        "postgresql://plano:p%40ss@[::1]:5433/plano",
    ):
        assert storage.same_place(here, driver_url.parse(other))
    assert not storage.same_place(here, driver_url.parse(THERE.url))


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("postgresql://${DB_USER}:${DB_PASS}@${DB_HOST}:${DB_PORT}/${DB_NAME}", ""),
        (
            "postgresql://${DB_USER}:${DB_PASS}@${DB_HOST}:${DB_PORT}/${DB_NAME}?options=-c%20search_path%3Dapp",
            "-c search_path=app",
        ),
        ("mysql://x?options=-c%20search_path%3Dapp", ""),
    ],
)
def test_the_options_of_a_session_are_read_as_the_driver_reads_them(tmp_path, text, options):
    from planodev.plano import config_file

    storage_block = {"state_storage": {"type": "postgres", "connection_string": text}}
    (tmp_path / "config.yaml").write_text(json.dumps(storage_block))
    assert config_file.load(tmp_path / "config.yaml").options == options


def test_a_secret_in_place_of_the_servers_name_is_refused_and_not_said(tmp_path):
    """To look up the name would send it."""
    shell = {"AWS_SECRET_ACCESS_KEY": "AKIAsecret", "DB_SERVER": "db.example"}
    env = env_file.load(tmp_path / ".env", shell)
    for name, refused in (("AWS_SECRET_ACCESS_KEY", True), ("DB_SERVER", False)):
        text = f"postgresql://u:x@${{{name}}}:5432/d"
        target = driver_url.parse(text.replace(f"${{{name}}}", shell[name]))
        with pytest.raises(BadInput, match=name) if refused else nullcontext():
            storage.refuse_to_send(text, target, env, shell, ())
