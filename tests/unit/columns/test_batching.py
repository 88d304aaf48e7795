"""Which compiled expressions are one call of a function of ours, and what its batch twin is called with."""

from __future__ import annotations

import pytest
from pg_llm.columns.batching import batch_call


@pytest.mark.parametrize(
    ("expression", "input", "call"),
    [
        ("public.llm_embed(body)", "body", "public.llm_embed_batch(X)"),
        ("public.llm_classify(body, '{a,b}'::text[])", "body", "public.llm_classify_batch(X, '{a,b}'::text[])"),
        (
            "public.llm_classify((body)::text, model => 'x'::text)",
            "(body)::text",
            "public.llm_classify_batch(X, model => 'x'::text)",
        ),
        (
            "public.llm_classify(((title || ', '::text) || body), ARRAY['a)'::text, 'b''(,'::text])",
            "((title || ', '::text) || body)",
            "public.llm_classify_batch(X, ARRAY['a)'::text, 'b''(,'::text])",
        ),
        (
            "public.llm_tag(input => body, labels => '{a}'::text[])",
            "body",
            "public.llm_tag_batch(X, labels => '{a}'::text[])",
        ),
        ("public.llm_generate(prompt => body)", "body", "public.llm_generate_batch(X)"),
        ('public.llm_embed("Büro, ""(x")', '"Büro, ""(x"', "public.llm_embed_batch(X)"),
        (
            "public.llm_extract(body, '{\"title\": 1}'::jsonb)",
            "body",
            "public.llm_extract_batch(X, '{\"title\": 1}'::jsonb)",
        ),
    ],
)
def test_one_call_on_a_text_has_a_twin(expression: str, input: str, call: str) -> None:
    found = batch_call(expression, ["title", "body", 'Büro, "(x'], "public")
    assert found is not None
    assert found.input == input
    assert found.call("X") == call


@pytest.mark.parametrize(
    "expression",
    [
        "upper(body)",
        "upper(public.llm_clean(body))",
        "(public.llm_similarity(body, title) > (0.5)::double precision)",
        "public.llm_similarity(body, title)",
        "other.llm_embed(body)",
        "llm_embed(body)",
        "public.llm_classify(body, string_to_array(title, ','::text))",
        "public.llm_classify(body, ARRAY[title])",
        "public.llm_classify(labels => '{a}'::text[], input => body)",
        "public.llm_embed(body) || public.llm_embed(title)",
        "public.llm_classify(body, '{a}'::text[])::integer",
        "public.llm_embed_batch(ARRAY[body])",
        "public.llm_embed(body",
    ],
)
def test_what_has_no_twin(expression: str) -> None:
    assert batch_call(expression, ["title", "body"], "public") is None


def test_the_schema_is_that_of_the_extension() -> None:
    assert batch_call('"My Schema".llm_embed(body)', ["body"], '"My Schema"') is not None
    assert batch_call('"My Schema".llm_embed(body)', ["body"], "public") is None
