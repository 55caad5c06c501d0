"""The command line: what you type, one file per command. Only this package knows click."""

from __future__ import annotations

from planodev.cli.boundary import main

__all__ = ["main"]
