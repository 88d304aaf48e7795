"""Transforms: which functions would be quicker in their batch form."""

from __future__ import annotations

from pg_llm.streams import transform


def test_functions_of_one_text() -> None:
    text = "SELECT LLM_Clean (body), public.llm_classify(body, '{a,b}'), llm_clean(title) FROM batch"
    assert transform.of_one_text(text) == ["llm_classify", "llm_clean"]


def test_batch_forms_and_other_names() -> None:
    text = "SELECT llm_classify FROM batch, llm_classify_batch((SELECT array_agg(body) FROM batch)), my_llm_clean(1)"
    assert transform.of_one_text(text) == []
