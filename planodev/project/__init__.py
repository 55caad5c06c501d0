"""The project in a directory: its files, its settings, its identity."""
