CREATE TABLE llm.recommender (
    name pg_catalog.text PRIMARY KEY,
    events pg_catalog.regclass,
    query pg_catalog.text,
    search_path pg_catalog.text,
    user_column pg_catalog.name NOT NULL,
    item_column pg_catalog.name NOT NULL,
    time_column pg_catalog.name NOT NULL,
    weight_column pg_catalog.name,
    items pg_catalog.regclass,
    item_key pg_catalog.name,
    item_text pg_catalog.name[] NOT NULL,
    catalogue pg_catalog.regclass NOT NULL,
    version pg_catalog.int4 NOT NULL,
    options pg_catalog.jsonb NOT NULL,
    usename pg_catalog.name NOT NULL DEFAULT CURRENT_USER,
    fitted_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    CHECK (CASE WHEN events IS NULL THEN query IS NOT NULL ELSE query IS NULL END)
);
COMMENT ON TABLE llm.recommender IS 'The recommenders: whose events they read, and the table of item vectors that each searches';
COMMENT ON COLUMN llm.recommender.search_path IS 'What the names in the query mean';
COMMENT ON COLUMN llm.recommender.catalogue IS 'The items with their vectors, popularity and neighbours, a row each and version';
COMMENT ON COLUMN llm.recommender.version IS 'The rows of the catalogue that count; a refit writes the next before it takes these away';
COMMENT ON COLUMN llm.recommender.options IS 'How it was trained, and how much neighbours say beside the transformer';
SELECT pg_catalog.pg_extension_config_dump('llm.recommender', '');
