"""What Plano needs and does: its configuration, its providers, its state table, and the proof that it can store."""
