"""planodev: from a fresh checkout to a Plano that remembers conversations, in one command."""

__version__ = "0.1.0"
