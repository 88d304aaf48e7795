"""Transforms in their batch form: what is taken apart, and what is left as it is."""

from __future__ import annotations

import pytest
from pg_llm.streams.compilation import batched

COLUMNS = ["id", "body", "kind"]


def test_calls_for_one_text_are_made_once_for_all() -> None:
    text = (
        'SELECT batch.id,\n    public.llm_clean(batch.body) AS body,\n    upper(\'a, b\'::text) AS "A""b",\n'
        "    public.llm_classify(batch.body, '{a,b}'::text[]) AS label\n"
        "   FROM batch\n  WHERE (batch.kind = 'x FROM y'::text)"
    )
    found = batched(text, COLUMNS, "public")
    assert found is not None
    assert found.count("public.llm_clean_batch((SELECT pg_catalog.array_agg(batch.body ORDER BY stream_row)") == 1
    assert "ORDER BY stream_row) FROM stream_given AS batch), '{a,b}'::text[]) AS stream_call_3" in found
    assert 'SELECT batch.id, stream_value_1 AS body, upper(\'a, b\'::text) AS "A""b", stream_value_3 AS label' in found
    assert "FROM batch AS batch WHERE (batch.kind = 'x FROM y'::text)\n)" in found


@pytest.mark.parametrize(
    "text",
    [
        "SELECT DISTINCT public.llm_clean(batch.body) AS body\n   FROM batch",
        "SELECT public.llm_clean(batch.body) AS body\n   FROM batch\n  ORDER BY batch.id",
        "SELECT public.llm_clean(batch.body) AS body\n   FROM batch\n  WHERE batch.id\n  GROUP BY batch.body",
        "SELECT public.llm_clean(batch.body) AS body\n   FROM batch,\n    public.other",
        "SELECT public.llm_clean(batch.body) AS body\n   FROM public.batch",
        "SELECT public.llm_classify(batch.body, ARRAY[batch.kind]) AS label\n   FROM batch",
        "SELECT theirs.llm_clean(batch.body) AS body\n   FROM batch",
        "SELECT (public.llm_clean(batch.body) || 'x'::text) AS body\n   FROM batch",
        "SELECT batch.body\n   FROM batch",
        " WITH a AS (SELECT batch.body FROM batch) SELECT public.llm_clean(a.body) AS body FROM a",
    ],
)
def test_what_is_left_as_it_is(text: str) -> None:
    assert batched(text, COLUMNS, "public") is None


def test_columns_with_names_of_ours() -> None:
    assert batched("SELECT public.llm_clean(batch.body) AS b\n   FROM batch", ["body", "stream_row"], "public") is None
