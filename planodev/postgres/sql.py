"""Names and values as SQL text, quoted by psycopg, for statements that are run by `psql` or pasted by people."""

from __future__ import annotations


def identifier(name: str) -> str:
    """Return the name of a role, database, schema, table or column, in double quotes."""
    from psycopg import sql

    return sql.Identifier(name).as_string(None)


def literal(text: str) -> str:
    """Return a text as a constant, in single quotes; one with a backslash in the form that every server reads alike."""
    from psycopg import sql

    return sql.Literal(text).as_string(None)
