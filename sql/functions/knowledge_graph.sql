CREATE FUNCTION graph_create(name text, entity_types text[] DEFAULT NULL, relation_types jsonb DEFAULT NULL) RETURNS void
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import knowledge_graph; return knowledge_graph.graph_create(name, entity_types, relation_types) $$;
COMMENT ON FUNCTION graph_create IS 'Make an empty knowledge graph, with the types of entities and relations that it may hold.';

-- The procedures commit as they go, so they cannot carry SET search_path: they pin it themselves.
CREATE PROCEDURE graph_add(graph text, target regclass, columns text[], model text DEFAULT NULL, sync text DEFAULT 'live')
LANGUAGE plpython3u
AS $$ from pg_llm.functions import knowledge_graph; return knowledge_graph.graph_add(graph, target, columns, model, sync) $$;
COMMENT ON PROCEDURE graph_add IS 'Read the text of a table''s columns into a graph, and keep the graph true.';

CREATE PROCEDURE graph_add_columns(graph text, target regclass, mapping jsonb, sync text DEFAULT 'live')
LANGUAGE plpython3u
AS $$ from pg_llm.functions import knowledge_graph; return knowledge_graph.graph_add_columns(graph, target, mapping, sync) $$;
COMMENT ON PROCEDURE graph_add_columns IS 'Read a table''s columns into a graph as entities and relations, without a model, and keep the graph true.';

CREATE FUNCTION graph_import(graph text, query text, source regclass DEFAULT NULL) RETURNS bigint
LANGUAGE plpython3u VOLATILE
AS $$ from pg_llm.functions import knowledge_graph; return knowledge_graph.graph_import(graph, query, source) $$;
COMMENT ON FUNCTION graph_import IS 'Put ready triples into a graph: the rows of a query; returns how many are new.';

CREATE PROCEDURE graph_refresh(graph text, target regclass DEFAULT NULL)
LANGUAGE plpython3u
AS $$ from pg_llm.functions import knowledge_graph; return knowledge_graph.graph_refresh(graph, target) $$;
COMMENT ON PROCEDURE graph_refresh IS 'Bring a graph up to date with its tables: manual ones, new partitions, refitted models, interrupted reading.';

CREATE FUNCTION graph_remove(graph text, target regclass DEFAULT NULL) RETURNS void
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import knowledge_graph; return knowledge_graph.graph_remove(graph, target) $$;
COMMENT ON FUNCTION graph_remove IS 'Take out of a graph what one table supports, or with NULL what was imported for its owner alone.';

CREATE FUNCTION graph_drop(graph text) RETURNS void
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import knowledge_graph; return knowledge_graph.graph_drop(graph) $$;
COMMENT ON FUNCTION graph_drop IS 'Remove a graph with all it holds and its triggers; the tables it was made from stay as they are.';

CREATE FUNCTION graph_triples(graph text) RETURNS TABLE (
    subject text, subject_type text, predicate text, object text, object_type text, confidence real, support bigint
)
LANGUAGE plpython3u STABLE ROWS 1000 SET search_path = pg_catalog, pg_temp SET jit = off
AS $$ from pg_llm.functions import knowledge_graph; return knowledge_graph.graph_triples(graph) $$;
COMMENT ON FUNCTION graph_triples IS 'The relations of a graph with the names and types of their ends, as far as the caller may see them.';

-- jsonb without TRANSFORM: the keys pass through as text, exact and unparsed.
CREATE FUNCTION graph_sync(source int, keys jsonb) RETURNS void
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $$ from pg_llm.functions import knowledge_graph; return knowledge_graph.graph_sync(source, keys) $$;
COMMENT ON FUNCTION graph_sync IS 'Read rows with these keys into a graph of one''s own again, or with NULL forget all.';
