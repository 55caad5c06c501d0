"""The names under which `.env` has the database, and by which Plano's connection string gets it."""

from __future__ import annotations

PREFIX = "DB_"
USER, PASSWORD, HOST, PORT, DATABASE = ALL = tuple(PREFIX + name for name in ("USER", "PASS", "HOST", "PORT", "NAME"))
PUBLIC = (USER, HOST, PORT, DATABASE)  # may be shown in a log
