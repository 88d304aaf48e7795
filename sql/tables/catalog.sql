-- As of cleaning: views over these leave each role its own rows.
CREATE TABLE llm.all_catalog (
    usename pg_catalog.name NOT NULL DEFAULT CURRENT_USER,
    target pg_catalog.regclass NOT NULL,
    "column" pg_catalog.name NOT NULL,
    model pg_catalog.text NOT NULL,
    content pg_catalog.text NOT NULL,
    embedding vector NOT NULL,
    PRIMARY KEY (usename, target, "column")
);
COMMENT ON TABLE llm.all_catalog IS 'The catalogues of all roles, for dumps';
COMMENT ON COLUMN llm.all_catalog."column" IS 'Empty for the table itself';
COMMENT ON COLUMN llm.all_catalog.content IS 'What was embedded: the name in words, the comment and what llm_describe() said; no value of a row';

CREATE TABLE llm.all_description (
    usename pg_catalog.name NOT NULL DEFAULT CURRENT_USER,
    target pg_catalog.regclass NOT NULL,
    "column" pg_catalog.name NOT NULL,
    description pg_catalog.text NOT NULL,
    PRIMARY KEY (usename, target, "column")
);
COMMENT ON TABLE llm.all_description IS 'The descriptions of all roles, for dumps';
COMMENT ON COLUMN llm.all_description."column" IS 'Empty for the table itself';

CREATE TABLE llm.all_taught (
    usename pg_catalog.name NOT NULL DEFAULT CURRENT_USER,
    question pg_catalog.text NOT NULL,
    sql pg_catalog.text NOT NULL,
    model pg_catalog.text NOT NULL,
    embedding vector NOT NULL,
    taught_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    PRIMARY KEY (usename, question)
);
COMMENT ON TABLE llm.all_taught IS 'The taught questions of all roles, for dumps';

CREATE TABLE llm.all_metric (
    usename pg_catalog.name NOT NULL DEFAULT CURRENT_USER,
    name pg_catalog.text NOT NULL,
    target pg_catalog.regclass NOT NULL,
    expression pg_catalog.text NOT NULL,
    synonyms pg_catalog.text[] NOT NULL DEFAULT '{}',
    PRIMARY KEY (usename, name)
);
COMMENT ON TABLE llm.all_metric IS 'The metrics of all roles, for dumps';
COMMENT ON COLUMN llm.all_metric.expression IS 'An aggregate, which is checked anew whenever a question is asked';

-- Without those of tables that a restored database has not by then, such as temporary ones: one name would fail them all.
SELECT pg_catalog.pg_extension_config_dump('llm.all_catalog', 'WHERE target IN (SELECT c.oid FROM pg_catalog.pg_class AS c WHERE c.relkind = ANY (''{r,p,v,m,f}'') AND c.relpersistence <> ''t'')');
SELECT pg_catalog.pg_extension_config_dump('llm.all_description', 'WHERE target IN (SELECT c.oid FROM pg_catalog.pg_class AS c WHERE c.relkind = ANY (''{r,p,v,m,f}'') AND c.relpersistence <> ''t'')');
SELECT pg_catalog.pg_extension_config_dump('llm.all_taught', '');
SELECT pg_catalog.pg_extension_config_dump('llm.all_metric', 'WHERE target IN (SELECT c.oid FROM pg_catalog.pg_class AS c WHERE c.relkind = ANY (''{r,p,v,m,f}'') AND c.relpersistence <> ''t'')');
