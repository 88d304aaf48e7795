-- In no dump: whoever restores one would choose who may learn from which rows. How many rounds were asked for is in no
-- table, as a ROLLBACK would give them back.
CREATE TABLE llm.federation (
    id pg_catalog.uuid PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
    name pg_catalog.text NOT NULL UNIQUE,
    owner pg_catalog.regrole NOT NULL,
    role pg_catalog.regrole NOT NULL,
    query pg_catalog.text NOT NULL,
    task pg_catalog.text NOT NULL,
    labels pg_catalog.text[] NOT NULL,
    base pg_catalog.text NOT NULL,
    base_digest pg_catalog.text NOT NULL,
    rounds pg_catalog.int4 NOT NULL,
    options pg_catalog.jsonb NOT NULL,
    settings pg_catalog.jsonb NOT NULL,
    peer_keys pg_catalog.text[]
);
COMMENT ON TABLE llm.federation IS 'Agreements on federated training: who may learn from which rows of whom; written by llm_allow_federation()';
COMMENT ON COLUMN llm.federation.owner IS 'The role whose rights the query is read with';
COMMENT ON COLUMN llm.federation.role IS 'Whose members may ask for gradients';
COMMENT ON COLUMN llm.federation.settings IS 'Those of the owner''s session that decide what the query means';
COMMENT ON COLUMN llm.federation.peer_keys IS 'The public keys of the other peers; without NULL nothing is told that is not masked with them';
COMMENT ON COLUMN llm.federation.base_digest IS 'SHA-256 of the embedding model''s files';
