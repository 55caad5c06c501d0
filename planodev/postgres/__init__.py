"""PostgreSQL as Plano uses it: the connection, the table, the proof."""
