-- Roles by number: whoever takes the name of a dropped one has not its rights.
CREATE TABLE llm.redaction_key (
    name pg_catalog.text PRIMARY KEY,
    source pg_catalog.text NOT NULL,
    fingerprint pg_catalog.text NOT NULL,
    writers pg_catalog.regrole[] NOT NULL,
    revealers pg_catalog.regrole[] NOT NULL
);
COMMENT ON TABLE llm.redaction_key IS 'Keys of pseudonyms: where each lies and which roles may use it; written by llm_register_key()';
COMMENT ON COLUMN llm.redaction_key.source IS 'file:NAME in pg_llm/keys of the data directory, or env:NAME';
COMMENT ON COLUMN llm.redaction_key.fingerprint IS 'Tells the key from others, and nothing about it';
COMMENT ON COLUMN llm.redaction_key.writers IS 'The roles that may make pseudonyms and fakes; - is everybody';
COMMENT ON COLUMN llm.redaction_key.revealers IS 'The roles that may read them back; - is everybody';
-- In no dump: whoever restores one would choose which roles may read pseudonyms back.

-- In no dump: whoever restores one would choose which roles may ask about which tables. What was spent is in no table,
-- as a ROLLBACK would give it back.
CREATE TABLE llm.privacy_budget (
    id pg_catalog.uuid PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
    target pg_catalog.regclass NOT NULL,
    owner pg_catalog.oid NOT NULL,
    role pg_catalog.regrole NOT NULL,
    unit pg_catalog.int2 NOT NULL,
    epsilon pg_catalog.float8 NOT NULL,
    delta pg_catalog.float8 NOT NULL,
    UNIQUE (target, role)
);
COMMENT ON TABLE llm.privacy_budget IS 'Which roles may ask for noisy figures of which tables, and for how much epsilon and delta; written by dp_allow()';
COMMENT ON COLUMN llm.privacy_budget.owner IS 'The owner of the table then; another one has to give the budget anew';
COMMENT ON COLUMN llm.privacy_budget.role IS 'Whose members share it; - is everybody';
COMMENT ON COLUMN llm.privacy_budget.unit IS 'The number of the column that tells persons apart';

-- Hashes by a key that is in no dump; closed, as whoever reads them knows how many texts two models share.
CREATE TABLE llm.training_lineage (
    digest pg_catalog.text NOT NULL,
    part pg_catalog.int4 NOT NULL,
    key pg_catalog.text NOT NULL,
    hashes pg_catalog.bytea NOT NULL,
    PRIMARY KEY (digest, part)
);
COMMENT ON TABLE llm.training_lineage IS 'Which texts the trained models have learnt from, as keyed hashes, for dumps';
COMMENT ON COLUMN llm.training_lineage.digest IS 'SHA-256 of the model''s files';
COMMENT ON COLUMN llm.training_lineage.key IS 'Tells the key from others, which lies in pg_llm/lineage.key of the data directory';
COMMENT ON COLUMN llm.training_lineage.hashes IS 'The first 16 bytes of the HMAC-SHA-256 of each text, sorted';
SELECT pg_catalog.pg_extension_config_dump('llm.training_lineage', '');
