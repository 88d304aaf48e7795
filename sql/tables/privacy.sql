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
