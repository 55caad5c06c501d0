"""`-v`: what is asked of the engine and the database, and nothing that a bug report must not carry."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planodev import trace
from planodev.postgres.sql import literal

SECRET = "the-Secret_of.an~hour"


@pytest.mark.each_engine(slow="docker")
def test_requests_and_statements_are_printed_and_no_secret_and_no_conversation(project):
    first = project("up", "-v", "--model", "ollama/llama3.1")
    with project.login() as session:
        session.execute(
            "INSERT INTO conversation_states (response_id, input_items, created_at, model, provider)"
            " SELECT 'resp_1', jsonb_build_array(jsonb_build_object('role', 'user', 'content', %s::text)), 1, 'm', 'p'",
            [SECRET],
        )
    runs = [first, *(project("-v", *words) for words in (["up"], ["status"], ["conversations"], ["doctor"]))]
    password = project.env["DB_PASS"]
    for run in runs:
        assert re.match(r"  » planodev \d\S*, Python 3\.\d+\S*, \w+ \S+ \w+\n", run.err)
        assert run.err.count("» planodev ") == 1
        asked = "\n".join(line for line in run.err.splitlines() if line.startswith("  » "))
        assert password not in asked
        assert SECRET not in asked
    if project.engine == "docker":
        assert "» GET /containers/json" in runs[1].err
    assert ("psql as" if project.engine == "docker" else "INSERT INTO conversation_states") in first.err
    assert "»" not in project("status").err
    assert "»" in project("status", "--json", "-v").err


@given(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=4),
    st.sampled_from([literal, "$body${}$body$".format]),
)
def test_what_stands_in_quotes_is_never_shown(secret, quote):
    told = []
    trace.write = told.append
    try:
        trace.statement("as plano", f"ALTER ROLE plano PASSWORD {quote(secret.replace('$', ''))}; SELECT 1")
    finally:
        trace.write = None
    # psycopg writes a backslash in the form ` E'…'`.
    assert re.sub(" +E?'", " '", told[0], count=1) == "as plano: ALTER ROLE plano PASSWORD '…'; SELECT 1"


def test_an_id_of_the_engine_stands_with_its_beginning(monkeypatch):
    told = []
    monkeypatch.setattr(trace, "write", told.append)
    trace.note(f"GET /containers/{'ab' * 32}/json: 200")
    assert told == ["GET /containers/abababababab/json: 200"]
