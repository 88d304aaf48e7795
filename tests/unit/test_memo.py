from hypothesis import given
from hypothesis import strategies as st
from pg_llm.runtime.result_cache import Memo


def _key(text: str) -> tuple[str, str, str]:
    return ("model", "{}", text)


# What one entry of three characters costs, whatever is reckoned beside its texts.
def _cost() -> int:
    low, high = 0, 10_000
    while low < high:
        limit = (low + high) // 2
        memo = Memo(limit)
        memo.put(_key("a"), "ra")
        low, high = (low, limit) if memo.get(_key("a")) else (limit + 1, high)
    return low


def test_remembers_by_model_options_and_text() -> None:
    memo = Memo(1 << 20)
    memo.put(("m", "{}", "text"), "one")
    memo.put(("m", '{"role": "query"}', "text"), "two")
    memo.put(("n", "{}", "text"), "three")
    assert memo.get(("m", "{}", "text")) == "one"
    assert memo.get(("m", '{"role": "query"}', "text")) == "two"
    assert memo.get(("n", "{}", "text")) == "three"
    assert memo.get(("n", "{}", "other")) is None


def test_the_least_recently_used_goes_first() -> None:
    memo = Memo(2 * _cost())
    memo.put(_key("a"), "ra")
    memo.put(_key("b"), "rb")
    assert memo.get(_key("a")) == "ra"
    memo.put(_key("c"), "rc")
    assert [memo.get(_key(text)) for text in "abc"] == ["ra", None, "rc"]


def test_a_limit_of_zero_remembers_nothing() -> None:
    memo = Memo(0)
    memo.put(_key("a"), "ra")
    assert memo.get(_key("a")) is None


def test_a_result_over_the_limit_leaves_the_others() -> None:
    memo = Memo(3 * _cost())
    memo.put(_key("a"), "ra")
    memo.put(_key("b"), "r" * 4 * _cost())
    assert memo.get(_key("a")) == "ra"
    assert memo.get(_key("b")) is None


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 600))), st.integers(0, 3000))
def test_never_holds_more_than_the_limit_nor_a_wrong_result(puts: list[tuple[str, int]], limit: int) -> None:
    memo = Memo(limit)
    for text, length in puts:
        memo.put(_key(text), text * length)
        held = [found for name in "abcdefgh" if (found := memo.get(_key(name)))]
        assert sum(map(len, held)) <= limit
        assert all(set(found) <= {name} for name in "abcdefgh" if (found := memo.get(_key(name))))
