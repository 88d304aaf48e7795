-- As of cleaning: a view over it leaves each role its own rows.
CREATE TABLE llm.all_ask (
    id pg_catalog.uuid PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
    usename pg_catalog.name NOT NULL DEFAULT CURRENT_USER,
    question pg_catalog.text NOT NULL,
    sql pg_catalog.text,
    confidence pg_catalog.float4 NOT NULL,
    reason pg_catalog.text NOT NULL,
    correct pg_catalog.bool,
    asked_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    clarify pg_catalog.jsonb
);
COMMENT ON TABLE llm.all_ask IS 'The questions of all roles that keep them, for dumps';
COMMENT ON COLUMN llm.all_ask.correct IS 'What ask_feedback() said';
COMMENT ON COLUMN llm.all_ask.clarify IS 'The readings to choose from';
SELECT pg_catalog.pg_extension_config_dump('llm.all_ask', '');

CREATE TABLE llm.all_ask_calibration (
    usename pg_catalog.name NOT NULL DEFAULT CURRENT_USER,
    model pg_catalog.text NOT NULL,
    source pg_catalog.text NOT NULL,
    samples pg_catalog.int4 NOT NULL,
    agreeing pg_catalog.int4 NOT NULL,
    asked pg_catalog.int4 NOT NULL,
    "right" pg_catalog.int4 NOT NULL,
    PRIMARY KEY (usename, model, samples, agreeing)
);
COMMENT ON TABLE llm.all_ask_calibration IS 'How often models answered the taught questions of all roles rightly, for dumps';
COMMENT ON COLUMN llm.all_ask_calibration.source IS 'The digest of the model, or its address: another model of the name is measured anew';
SELECT pg_catalog.pg_extension_config_dump('llm.all_ask_calibration', '');
