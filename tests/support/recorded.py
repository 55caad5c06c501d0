"""The configuration and the values that the recorder is given."""

from __future__ import annotations

from planodev.postgres.connection import CONNECTION_STRING

CONFIG = f"""\
version: v0.4.0
listeners:
  - {{type: model, name: model_proxy, port: 12000}}
model_providers:
  - model: anthropic/claude-sonnet-4-5
    access_key: $ANTHROPIC_API_KEY
    default: true
state_storage:
  type: postgres
  connection_string: "{CONNECTION_STRING}"
"""
DB = {"DB_USER": "plano", "DB_PASS": "p%40ss", "DB_HOST": "localhost", "DB_PORT": "5433", "DB_NAME": "plano"}
KEY = {"ANTHROPIC_API_KEY": "sk-shell"}
MODES = [(), ("--docker",)]
