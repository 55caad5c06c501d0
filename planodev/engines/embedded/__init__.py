"""Postgres as a process of this machine: no Docker, the same promises."""
