-- Views over these leave each role its own rows: under row-level security a database's owner could not dump them.
CREATE TABLE llm.all_cleaning (
    id pg_catalog.uuid PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
    target pg_catalog.regclass NOT NULL,
    columns pg_catalog.text[] NOT NULL,
    rules pg_catalog.jsonb NOT NULL,
    usename pg_catalog.name NOT NULL DEFAULT CURRENT_USER,
    started_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    relation pg_catalog.text
);
COMMENT ON TABLE llm.all_cleaning IS 'The searches for errors of all roles, for dumps';
COMMENT ON COLUMN llm.all_cleaning.relation IS 'The name of the table, by which it is found again after it was built anew';
COMMENT ON COLUMN llm.all_cleaning.columns IS 'The columns whose cells were examined';

CREATE TABLE llm.all_mark (
    run pg_catalog.uuid NOT NULL REFERENCES llm.all_cleaning ON DELETE CASCADE,
    key pg_catalog.jsonb NOT NULL,
    "column" pg_catalog.name NOT NULL,
    value pg_catalog.text,
    PRIMARY KEY (run, key, "column")
);
COMMENT ON TABLE llm.all_mark IS 'The marks of all roles, for dumps';

CREATE TABLE llm.all_step (
    run pg_catalog.uuid NOT NULL REFERENCES llm.all_cleaning ON DELETE CASCADE,
    step pg_catalog.int8 NOT NULL,
    "column" pg_catalog.name NOT NULL,
    detector pg_catalog.text NOT NULL,
    description pg_catalog.text NOT NULL,
    condition pg_catalog.text NOT NULL,
    expression pg_catalog.text NOT NULL,
    PRIMARY KEY (run, step)
);
COMMENT ON TABLE llm.all_step IS 'The steps of all roles, for dumps';
COMMENT ON COLUMN llm.all_step.condition IS 'SQL on the column, {c}, that says where the step applies; empty where it has no SQL';
COMMENT ON COLUMN llm.all_step.expression IS 'SQL on the column, {c}, that makes the new value';

CREATE TABLE llm.all_change (
    run pg_catalog.uuid NOT NULL REFERENCES llm.all_cleaning ON DELETE CASCADE,
    key pg_catalog.jsonb NOT NULL,
    "column" pg_catalog.name NOT NULL,
    old pg_catalog.text,
    new pg_catalog.text,
    confidence pg_catalog.float4,
    state pg_catalog.text NOT NULL,
    detector pg_catalog.text NOT NULL,
    reason pg_catalog.text NOT NULL,
    given pg_catalog.jsonb,
    step pg_catalog.int8,
    PRIMARY KEY (run, key, "column")
);
COMMENT ON TABLE llm.all_change IS 'The changes of all roles, for dumps';
COMMENT ON COLUMN llm.all_change.key IS 'The primary key of the row';
COMMENT ON COLUMN llm.all_change.new IS 'The value proposed, once applied the value that the table then held; NULL without confidence: nobody knows';
COMMENT ON COLUMN llm.all_change.confidence IS 'How probably the new value is right, from 0 to 1; NULL where there is none';
COMMENT ON COLUMN llm.all_change.state IS 'found, proposed, accepted or declined (by you), applied, refused (by the table) or restored';
COMMENT ON COLUMN llm.all_change.given IS 'The other column and its value that the new value follows from';
COMMENT ON COLUMN llm.all_change.step IS 'The number of the step that the repair belongs to';

-- Without those of tables that a restored database has not by then, such as temporary ones: one name would fail them all.
SELECT pg_catalog.pg_extension_config_dump('llm.all_cleaning', 'WHERE target IN (SELECT c.oid FROM pg_catalog.pg_class AS c WHERE c.relkind = ANY (''{r,p,v,m,f}'') AND c.relpersistence <> ''t'')');
SELECT pg_catalog.pg_extension_config_dump('llm.all_mark', 'WHERE run IN (SELECT r.id FROM llm.all_cleaning AS r WHERE r.target IN (SELECT c.oid FROM pg_catalog.pg_class AS c WHERE c.relkind = ANY (''{r,p,v,m,f}'') AND c.relpersistence <> ''t''))');
SELECT pg_catalog.pg_extension_config_dump('llm.all_step', 'WHERE run IN (SELECT r.id FROM llm.all_cleaning AS r WHERE r.target IN (SELECT c.oid FROM pg_catalog.pg_class AS c WHERE c.relkind = ANY (''{r,p,v,m,f}'') AND c.relpersistence <> ''t''))');
SELECT pg_catalog.pg_extension_config_dump('llm.all_change', 'WHERE run IN (SELECT r.id FROM llm.all_cleaning AS r WHERE r.target IN (SELECT c.oid FROM pg_catalog.pg_class AS c WHERE c.relkind = ANY (''{r,p,v,m,f}'') AND c.relpersistence <> ''t''))');

-- By the name of the table, which one that is built anew has too.
CREATE TABLE llm.all_rule (
    usename pg_catalog.name NOT NULL DEFAULT CURRENT_USER,
    relation pg_catalog.text NOT NULL,
    name pg_catalog.text NOT NULL,
    severity pg_catalog.text NOT NULL CHECK (severity OPERATOR(pg_catalog.=) ANY ('{warn,error}'::pg_catalog.text[])),
    definition pg_catalog.jsonb NOT NULL,
    PRIMARY KEY (usename, relation, name)
);
COMMENT ON TABLE llm.all_rule IS 'The rules of all roles, for dumps';
SELECT pg_catalog.pg_extension_config_dump('llm.all_rule', '');
