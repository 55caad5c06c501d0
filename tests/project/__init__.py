"""The project: its files, its settings, its place."""
