CREATE VIEW llm.record_merge WITH (security_barrier) AS
SELECT m.id, m.target, m.relation, m.survivorship, m.usename, m.merged_at, m.undone_at
FROM llm.all_record_merge AS m
WHERE m.usename OPERATOR(pg_catalog.=) CURRENT_USER
WITH CHECK OPTION;
COMMENT ON VIEW llm.record_merge IS 'Your merges of duplicates: table, survivorship, when, and when undone';

CREATE VIEW llm.merged_row WITH (security_barrier) AS
SELECT w.run, w.key, w.kept, w.before, w.after
FROM llm.all_merged_row AS w
WHERE w.run IN (SELECT m.id FROM llm.all_record_merge AS m WHERE m.usename OPERATOR(pg_catalog.=) CURRENT_USER)
WITH CHECK OPTION;
COMMENT ON VIEW llm.merged_row IS 'The rows of your merges: which row stands for which, and what they held';

CREATE VIEW llm.repointed_row WITH (security_barrier) AS
SELECT p.run, p.number, p.relation, p.key, p.before, p.after
FROM llm.all_repointed_row AS p
WHERE p.run IN (SELECT m.id FROM llm.all_record_merge AS m WHERE m.usename OPERATOR(pg_catalog.=) CURRENT_USER)
WITH CHECK OPTION;
COMMENT ON VIEW llm.repointed_row IS 'The rows of other tables whose foreign keys your merges changed';
