"""The Plano that runs on this machine."""
