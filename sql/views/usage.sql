CREATE VIEW @extschema@.llm_usage AS
SELECT u.role, u.model, u.day, u.calls, u.texts, u.cache_hits, u.tokens_in, u.tokens_out, u.seconds, u.money, u.redacted
FROM llm.usage_report() AS u;
COMMENT ON VIEW @extschema@.llm_usage IS 'What models have cost in this database by login role, model and day: your own, or with pg_read_all_stats everybody''s';
COMMENT ON COLUMN @extschema@.llm_usage.role IS 'The role that logged in';
COMMENT ON COLUMN @extschema@.llm_usage.model IS 'The name of the model when it was called';
COMMENT ON COLUMN @extschema@.llm_usage.day IS 'By UTC';
COMMENT ON COLUMN @extschema@.llm_usage.calls IS 'Requests to the model host, of up to 256 texts each; what a session itself remembers makes none';
COMMENT ON COLUMN @extschema@.llm_usage.texts IS 'Texts of these calls';
COMMENT ON COLUMN @extschema@.llm_usage.cache_hits IS 'Texts whose result the host remembered, or that came twice in a call: they cost nothing';
COMMENT ON COLUMN @extschema@.llm_usage.tokens_in IS 'Tokens that the model read, in its own counting; characters divided by four where an endpoint does not say';
COMMENT ON COLUMN @extschema@.llm_usage.tokens_out IS 'Tokens that it wrote';
COMMENT ON COLUMN @extschema@.llm_usage.seconds IS 'Time in which it worked on these texts, waiting for an endpoint included';
COMMENT ON COLUMN @extschema@.llm_usage.money IS 'By the options price_in and price_out of the model, per million tokens';
COMMENT ON COLUMN @extschema@.llm_usage.redacted IS 'Values that were kept from an endpoint, by its option redact_before';
