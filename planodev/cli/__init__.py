"""The command line: what you type, one file per command; `main.py` is its start. Only this package knows click."""
