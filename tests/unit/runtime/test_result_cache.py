from hypothesis import given
from hypothesis import strategies as st
from pg_llm.runtime.result_cache import ResultCache


def _key(text: str) -> tuple[str, str, str]:
    return ("model", "{}", text)


# What one entry of three characters costs, whatever is reckoned beside its texts.
def _cost() -> int:
    low, high = 0, 10_000
    while low < high:
        limit = (low + high) // 2
        cache = ResultCache(limit)
        cache.put(_key("a"), "ra")
        low, high = (low, limit) if cache.get(_key("a")) else (limit + 1, high)
    return low


def test_remembers_by_model_options_and_text() -> None:
    cache = ResultCache(1 << 20)
    cache.put(("m", "{}", "text"), "one")
    cache.put(("m", '{"role": "query"}', "text"), "two")
    cache.put(("n", "{}", "text"), "three")
    assert cache.get(("m", "{}", "text")) == "one"
    assert cache.get(("m", '{"role": "query"}', "text")) == "two"
    assert cache.get(("n", "{}", "text")) == "three"
    assert cache.get(("n", "{}", "other")) is None


def test_texts_are_forgotten_in_any_case_and_so_are_results_that_hold_them() -> None:
    cache = ResultCache(3 * _cost() + 20)
    for text, result in (("a Name", "x1"), ("other", "a NAME"), ("else", "x2")):
        cache.put(_key(text), result)
    cache.forget(["naMe", ""])
    assert [cache.get(_key(text)) for text in ("a Name", "other", "else")] == [None, None, "x2"]
    # The room is free again.
    cache.put(_key("b"), "rb")
    cache.put(_key("c"), "rc")
    assert [cache.get(_key(text)) for text in ("else", "b", "c")] == ["x2", "rb", "rc"]


def test_the_least_recently_used_goes_first() -> None:
    cache = ResultCache(2 * _cost())
    cache.put(_key("a"), "ra")
    cache.put(_key("b"), "rb")
    assert cache.get(_key("a")) == "ra"
    cache.put(_key("c"), "rc")
    assert [cache.get(_key(text)) for text in "abc"] == ["ra", None, "rc"]


def test_a_limit_of_zero_remembers_nothing() -> None:
    cache = ResultCache(0)
    cache.put(_key("a"), "ra")
    assert cache.get(_key("a")) is None


def test_a_result_over_the_limit_leaves_the_others() -> None:
    cache = ResultCache(3 * _cost())
    cache.put(_key("a"), "ra")
    cache.put(_key("b"), "r" * 4 * _cost())
    assert cache.get(_key("a")) == "ra"
    assert cache.get(_key("b")) is None


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 600))), st.integers(0, 3000))
def test_never_holds_more_than_the_limit_nor_a_wrong_result(puts: list[tuple[str, int]], limit: int) -> None:
    cache = ResultCache(limit)
    for text, length in puts:
        cache.put(_key(text), text * length)
        held = [found for name in "abcdefgh" if (found := cache.get(_key(name)))]
        assert sum(map(len, held)) <= limit
        assert all(set(found) <= {name} for name in "abcdefgh" if (found := cache.get(_key(name))))
