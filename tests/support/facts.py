"""What a database says of itself in which Plano can store."""

from __future__ import annotations

# Recorded on PostgreSQL 15.18, on the table that `state_table.CREATE` makes.
GOOD = {
    "server_version": "15.18 (Debian 15.18-0+deb12u1)",
    "server_version_num": 150018,
    "user": "plano",
    "database": "plano",
    "encoding": "UTF8",
    "search_path": '"$user", public',
    "read_only": False,
    "sessions": None,
    "data_bytes": 7708007,
    "elsewhere": ["public"],
    "table": {
        "name": "conversation_states",
        "schema": "public",
        "oid": 16390,
        "kind": "r",
        "persistence": "p",
        "owner": "plano",
        "columns": {
            "created_at": {"type": "int8", "not_null": True, "has_default": False, "generated": False},
            "provider": {"type": "text", "not_null": True, "has_default": False, "generated": False},
            "model": {"type": "text", "not_null": True, "has_default": False, "generated": False},
            "response_id": {"type": "text", "not_null": True, "has_default": False, "generated": False},
            "updated_at": {"type": "timestamp", "not_null": False, "has_default": True, "generated": False},
            "input_items": {"type": "jsonb", "not_null": True, "has_default": False, "generated": False},
        },
        "unique_response_id": True,
        "privileges": ["SELECT", "INSERT", "UPDATE", "DELETE"],
    },
}
