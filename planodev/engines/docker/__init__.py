"""Postgres in a container of a Docker Engine, or of one that speaks its API."""
