CREATE FUNCTION llm_chunk(
    input text, chunking text DEFAULT 'auto', chunk_tokens bigint DEFAULT NULL, chunk_overlap bigint DEFAULT 0,
    model text DEFAULT NULL
)
RETURNS TABLE (ordinality bigint, chunk text, start_pos int, end_pos int)
LANGUAGE plpython3u STABLE COST 10000 ROWS 20 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import documents; return documents.llm_chunk(input, chunking, chunk_tokens, chunk_overlap, model) $$;
COMMENT ON FUNCTION llm_chunk IS 'The chunks of a text and their places: parts that an embedding model reads whole; none for NULL or blank text.';

CREATE FUNCTION llm_text(document bytea, mime text DEFAULT NULL) RETURNS text
LANGUAGE plpython3u STABLE COST 100000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import documents; return documents.llm_text(document, mime) $$;
COMMENT ON FUNCTION llm_text IS 'The text of a file: PDF, DOCX, PPTX, XLSX, HTML, EPUB, e-mail or plain text; NULL for NULL.';
