from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from pg_llm.privacy import json_texts

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, list | dict):
        return [text for each in (value.values() if isinstance(value, dict) else value) for text in _texts(each)]
    return []


@given(VALUES, st.booleans())
def test_every_text_is_found_and_nothing_else_changes(value: object, ascii_only: bool) -> None:
    given_ = json.dumps(value, ensure_ascii=ascii_only)
    texts = list(json_texts.find(given_))
    assert [each.text for each in texts] == _texts(value)
    assert json.loads(json_texts.replace(given_, texts, [each.text for each in texts])) == value


def test_keys() -> None:
    texts = json_texts.find('{"a": "1", "b": {"c": ["2", {"d": "3"}, "4"]}, "e" : "5"}')
    assert [(each.key, each.text) for each in texts] == [("a", "1"), ("c", "2"), ("d", "3"), ("c", "4"), ("e", "5")]


def test_numbers_stay_as_they_are_written_and_depth_does_not_matter() -> None:
    deep = "[" * 100_000 + '"x", 1.500e400' + "]" * 100_000
    texts = list(json_texts.find(deep))
    assert json_texts.replace(deep, texts, ["y"]) == deep.replace("x", "y")
