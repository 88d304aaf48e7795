CREATE FUNCTION llm_find_personal(
    input text, kinds text[] DEFAULT NULL, language text DEFAULT NULL, model text DEFAULT NULL
) RETURNS TABLE (kind text, text text, start_pos int, end_pos int, score real, recognizer text)
LANGUAGE plpython3u STABLE COST 20000 ROWS 5 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import privacy; return privacy.llm_find_personal(input, kinds, language, model) $$;
COMMENT ON FUNCTION llm_find_personal IS 'The personal data in a text: what kind it is, where it stands, how sure that is, and what found it.';

CREATE FUNCTION llm_find_personal_batch(
    inputs text[], kinds text[] DEFAULT NULL, language text DEFAULT NULL, model text DEFAULT NULL
) RETURNS TABLE (ordinality bigint, kind text, text text, start_pos int, end_pos int, score real, recognizer text)
LANGUAGE plpython3u STABLE COST 200000 ROWS 5000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import privacy; return privacy.llm_find_personal_batch(inputs, kinds, language, model) $$;
COMMENT ON FUNCTION llm_find_personal_batch IS 'The personal data in each text, with the text''s position from 1.';

CREATE FUNCTION llm_scan_personal(
    target regclass DEFAULT NULL, schema regnamespace DEFAULT NULL, sample int DEFAULT 1000,
    kinds text[] DEFAULT NULL, model text DEFAULT NULL
) RETURNS TABLE ("table" text, "column" text, kind text, share real, examples_masked text[], score real)
LANGUAGE plpython3u VOLATILE COST 1000000 ROWS 20 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import privacy; return privacy.llm_scan_personal(target, schema, sample, kinds, model) $$;
COMMENT ON FUNCTION llm_scan_personal IS 'The columns of a table, or of all tables of a schema, that hold personal data, by a sample of their rows.';

CREATE FUNCTION llm_redact(
    input text, kinds text[] DEFAULT NULL, method text DEFAULT 'label', key text DEFAULT NULL,
    subject text DEFAULT NULL, language text DEFAULT NULL, model text DEFAULT NULL
) RETURNS text
LANGUAGE plpython3u STABLE COST 20000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import privacy; return privacy.llm_redact(input, kinds, method, key, subject, language, model) $$;
COMMENT ON FUNCTION llm_redact IS 'The text with its personal data replaced: by labels, stars, hashes, pseudonyms, fakes or coarser values.';

CREATE FUNCTION llm_redact_batch(
    inputs text[], kinds text[] DEFAULT NULL, method text DEFAULT 'label', key text DEFAULT NULL,
    subject text DEFAULT NULL, language text DEFAULT NULL, model text DEFAULT NULL
) RETURNS TABLE (ordinality bigint, redacted text)
LANGUAGE plpython3u STABLE COST 200000 ROWS 1000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import privacy; return privacy.llm_redact_batch(inputs, kinds, method, key, subject, language, model) $$;
COMMENT ON FUNCTION llm_redact_batch IS 'Each text with its personal data replaced, and its position from 1.';

CREATE FUNCTION llm_redact_json(
    input jsonb, kinds text[] DEFAULT NULL, method text DEFAULT 'label', key text DEFAULT NULL,
    subject text DEFAULT NULL, language text DEFAULT NULL, model text DEFAULT NULL
) RETURNS jsonb
LANGUAGE plpython3u STABLE COST 50000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import privacy; return privacy.llm_redact_json(input, kinds, method, key, subject, language, model) $$;
COMMENT ON FUNCTION llm_redact_json IS 'JSON with the personal data in its texts replaced; the key that a text stands under says what it is.';

-- PL/Python takes no row of any type.
CREATE FUNCTION llm_redact_row(
    input anyelement, kinds text[] DEFAULT NULL, method text DEFAULT 'label', key text DEFAULT NULL,
    subject text DEFAULT NULL, language text DEFAULT NULL, model text DEFAULT NULL
) RETURNS jsonb
LANGUAGE sql STABLE COST 50000 SET search_path = pg_catalog, pg_temp
AS $$ SELECT @extschema@.llm_redact_json(to_jsonb(input), kinds, method, key, subject, language, model) $$;
COMMENT ON FUNCTION llm_redact_row IS 'A row as JSON with the personal data in its texts replaced; the names of the columns say what they hold.';

CREATE FUNCTION llm_pseudonymize(input text, kind text, key text, subject text DEFAULT NULL) RETURNS text
LANGUAGE plpython3u STABLE COST 1000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import privacy; return privacy.llm_pseudonymize(input, kind, key, subject) $$;
COMMENT ON FUNCTION llm_pseudonymize IS 'The pseudonym of a value, the same for the same value under a key: digits for digits, a day for a day, else a token.';

CREATE FUNCTION llm_reveal(input text, key text, kind text DEFAULT NULL, subject text DEFAULT NULL) RETURNS text
LANGUAGE plpython3u VOLATILE COST 1000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import privacy; return privacy.llm_reveal(input, key, kind, subject) $$;
COMMENT ON FUNCTION llm_reveal IS 'The text with its pseudonyms read back, or the value of one of that kind; the server''s log says who did so.';

CREATE FUNCTION llm_register_key(
    name text, source text, writers text[] DEFAULT '{}', revealers text[] DEFAULT '{}'
) RETURNS text
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import privacy; return privacy.llm_register_key(name, source, writers, revealers) $$;
COMMENT ON FUNCTION llm_register_key IS 'Give a key of pseudonyms a name, and say which roles may write with it and read back; returns its fingerprint.';

CREATE FUNCTION llm_drop_key(name text) RETURNS void
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import privacy; return privacy.llm_drop_key(name) $$;
COMMENT ON FUNCTION llm_drop_key IS 'Forget the name of a key; the key itself stays where it is.';

CREATE FUNCTION llm_encrypt_model_files(old_key text DEFAULT NULL) RETURNS TABLE (digest text, action text)
LANGUAGE plpython3u VOLATILE COST 1000000 ROWS 10 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import privacy; return privacy.llm_encrypt_model_files(old_key) $$;
COMMENT ON FUNCTION llm_encrypt_model_files IS 'Encrypt the files of trained models under the key that llm.model_file_key names, or wrap their data keys anew.';

CREATE FUNCTION k_anonymity(target regclass, quasi_identifiers text[]) RETURNS TABLE (k bigint, groups bigint)
LANGUAGE plpython3u VOLATILE ROWS 1 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import privacy; return privacy.k_anonymity(target, quasi_identifiers) $$;
COMMENT ON FUNCTION k_anonymity IS 'How many rows at least share each combination of these columns'' values, and how many combinations there are.';

CREATE FUNCTION llm_mask(target regclass, policy jsonb, roles text[] DEFAULT '{}', name text DEFAULT NULL) RETURNS text
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import privacy; return privacy.llm_mask(target, policy, roles, name) $$;
COMMENT ON FUNCTION llm_mask IS 'Make a view of a table that shows columns in plain to members of some roles, and masked to all others; returns its name.';

CREATE FUNCTION llm_where_is(target regclass, key jsonb, terms text[] DEFAULT NULL)
RETURNS TABLE (place text, found bigint, note text)
LANGUAGE plpython3u VOLATILE COST 1000000 ROWS 10 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import privacy; return privacy.llm_where_is(target, key, terms) $$;
COMMENT ON FUNCTION llm_where_is IS 'What is kept of a person beside the person''s row: each place, how much it keeps, and what to know about it.';

CREATE FUNCTION llm_erase(target regclass, key jsonb, terms text[] DEFAULT NULL)
RETURNS TABLE (place text, found bigint, note text)
LANGUAGE plpython3u VOLATILE COST 1000000 ROWS 10 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import privacy; return privacy.llm_erase(target, key, terms) $$;
COMMENT ON FUNCTION llm_erase IS 'Delete what is kept of a person beside the person''s row, and say what is left: definitions, trained models.';

CREATE FUNCTION l_diversity(target regclass, quasi_identifiers text[], sensitive text) RETURNS TABLE (l bigint, groups bigint)
LANGUAGE plpython3u VOLATILE ROWS 1 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import privacy; return privacy.l_diversity(target, quasi_identifiers, sensitive) $$;
COMMENT ON FUNCTION l_diversity IS 'How many values of a sensitive column each combination of these columns'' values has at least.';

CREATE FUNCTION k_anonymity_proposal(target regclass, quasi_identifiers text[], wanted int) RETURNS TABLE (
    "column" text, generalization text, expression text, k bigint, groups bigint
)
LANGUAGE plpython3u VOLATILE ROWS 5 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import privacy; return privacy.k_anonymity_proposal(target, quasi_identifiers, wanted) $$;
COMMENT ON FUNCTION k_anonymity_proposal IS 'How coarse to show these columns, so that each combination of their values is that of so many rows.';
