-- Views over these leave each role its own rows, as those of llm.cleaning do.
CREATE TABLE llm.all_record_merge (
    id pg_catalog.uuid PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
    target pg_catalog.regclass NOT NULL,
    relation pg_catalog.text NOT NULL,
    survivorship pg_catalog.jsonb NOT NULL,
    usename pg_catalog.name NOT NULL DEFAULT CURRENT_USER,
    merged_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    undone_at pg_catalog.timestamptz
);
COMMENT ON TABLE llm.all_record_merge IS 'The merges of duplicates of all roles, for dumps';
COMMENT ON COLUMN llm.all_record_merge.relation IS 'The name of the table, by which it is found again after it was built anew';

CREATE TABLE llm.all_merged_row (
    run pg_catalog.uuid NOT NULL REFERENCES llm.all_record_merge ON DELETE CASCADE,
    key pg_catalog.jsonb NOT NULL,
    kept pg_catalog.jsonb NOT NULL,
    before pg_catalog.jsonb NOT NULL,
    after pg_catalog.jsonb,
    PRIMARY KEY (run, key)
);
COMMENT ON TABLE llm.all_merged_row IS 'The merged rows of all roles, for dumps';
COMMENT ON COLUMN llm.all_merged_row.kept IS 'The primary key of the row that stands for it now: the golden record';
COMMENT ON COLUMN llm.all_merged_row.before IS 'The values of a removed row, or those that the golden record had before, as text';
COMMENT ON COLUMN llm.all_merged_row.after IS 'The values that the golden record got instead; NULL for a removed row';

CREATE TABLE llm.all_repointed_row (
    run pg_catalog.uuid NOT NULL REFERENCES llm.all_record_merge ON DELETE CASCADE,
    number pg_catalog.int8 NOT NULL,
    relation pg_catalog.text NOT NULL,
    key pg_catalog.jsonb NOT NULL,
    before pg_catalog.jsonb NOT NULL,
    after pg_catalog.jsonb,
    PRIMARY KEY (run, number)
);
COMMENT ON TABLE llm.all_repointed_row IS 'The rows that were pointed to golden records, of all roles, for dumps';
COMMENT ON COLUMN llm.all_repointed_row.key IS 'The primary key of the row, as it is now';
COMMENT ON COLUMN llm.all_repointed_row.before IS 'The values of its foreign key before, or all values of a row that was removed as a repetition, as text';
COMMENT ON COLUMN llm.all_repointed_row.after IS 'The values of its foreign key since; NULL for a row that was removed';

SELECT pg_catalog.pg_extension_config_dump('llm.all_record_merge', 'WHERE target IN (SELECT c.oid FROM pg_catalog.pg_class AS c WHERE c.relkind = ANY (''{r,p}'') AND c.relpersistence <> ''t'')');
SELECT pg_catalog.pg_extension_config_dump('llm.all_merged_row', 'WHERE run IN (SELECT r.id FROM llm.all_record_merge AS r WHERE r.target IN (SELECT c.oid FROM pg_catalog.pg_class AS c WHERE c.relkind = ANY (''{r,p}'') AND c.relpersistence <> ''t''))');
SELECT pg_catalog.pg_extension_config_dump('llm.all_repointed_row', 'WHERE run IN (SELECT r.id FROM llm.all_record_merge AS r WHERE r.target IN (SELECT c.oid FROM pg_catalog.pg_class AS c WHERE c.relkind = ANY (''{r,p}'') AND c.relpersistence <> ''t''))');
