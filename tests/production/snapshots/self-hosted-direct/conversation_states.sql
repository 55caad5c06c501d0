-- The table in which Plano stores conversations, and the role as which it logs in.
--
-- To be run by the owner of the database, as PRODUCTION.md says. Running it again changes nothing. It sets no password.

BEGIN;
SET LOCAL search_path = public;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'plano_prod') THEN
        CREATE ROLE plano_prod LOGIN;
    END IF;
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO plano_prod', current_database());
    -- Plano never reconnects, so the server must not end its connection while it is idle.
    IF current_setting('server_version_num')::int >= 140000 THEN
        EXECUTE format('ALTER ROLE plano_prod IN DATABASE %I SET idle_session_timeout = 0', current_database());
    END IF;
END
$$;

CREATE TABLE IF NOT EXISTS conversation_states (
    response_id TEXT PRIMARY KEY,
    input_items JSONB NOT NULL,
    created_at BIGINT NOT NULL,
    model TEXT NOT NULL,
    provider TEXT NOT NULL,
    updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX IF NOT EXISTS idx_conversation_states_created_at ON conversation_states (created_at);
CREATE INDEX IF NOT EXISTS idx_conversation_states_provider ON conversation_states (provider);
CREATE INDEX IF NOT EXISTS idx_conversation_states_updated_at ON conversation_states (updated_at);
COMMENT ON TABLE conversation_states IS 'Conversations of Plano (POST /v1/responses)';

-- What Plano's statements need, and no more: it reads, inserts and updates rows, and deletes none.
GRANT USAGE ON SCHEMA public TO plano_prod;
GRANT SELECT, INSERT, UPDATE ON conversation_states TO plano_prod;

COMMIT;

-- Plano deletes nothing. Run once a day, as the owner, this deletes turns older than 90 days:
--
-- DELETE FROM conversation_states WHERE updated_at < now() - interval '90 days';
-- planodev updates this file, unless it was edited: 8deca7085fa9
