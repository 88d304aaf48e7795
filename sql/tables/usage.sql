CREATE TABLE llm.budget (
    role pg_catalog.text NOT NULL,
    per pg_catalog.text NOT NULL CHECK (per OPERATOR(pg_catalog.=) ANY ('{hour,day,month}')),
    unit pg_catalog.text NOT NULL CHECK (unit OPERATOR(pg_catalog.=) ANY ('{tokens,seconds,money}')),
    amount pg_catalog.float8 NOT NULL CHECK (amount OPERATOR(pg_catalog.>=) 0 AND amount OPERATOR(pg_catalog.<) 'Infinity'),
    PRIMARY KEY (role, per, unit)
);
COMMENT ON TABLE llm.budget IS 'What login roles may spend on models; written by llm_set_budget()';
COMMENT ON COLUMN llm.budget.role IS 'The role that logged in, or public for each of them';
COMMENT ON COLUMN llm.budget.per IS 'The period, by UTC';
SELECT pg_catalog.pg_extension_config_dump('llm.budget', '');
