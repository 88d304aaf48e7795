from __future__ import annotations

import pytest
from pg_llm.ask import (
    name_prefixes,
    words,
)


@pytest.mark.parametrize(
    ("word", "stem"),
    [
        ("cities", "city"),
        ("books", "book"),
        ("addresses", "address"),
        ("priced", "price"),
        ("visited", "visit"),
        ("bus", "bus"),
        ("running", "run"),
        ("published", "publish"),
        ("people", "person"),
        ("患者", "患者"),
    ],
)
def test_words_have_stems(word: str, stem: str) -> None:
    assert words.stem(word) == stem


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("orderQty_total", ("order", "quantity", "total")),
        ("sname", ("name",)),
        ("unit_price", ("unit", "price")),
        ("DOB", ("birth", "date")),
        ("客户_name", ("客户", "name")),
        ("", ()),
        ("___", ()),
    ],
)
def test_names_are_split_into_words(name: str, found: tuple[str, ...]) -> None:
    assert words.split_name(name) == found


@pytest.mark.parametrize(
    ("asked", "most", "less", "least"),
    [
        ("customer", "customer", "cust", "cost"),
        ("portion", "portn", "prt", "pint"),
        ("share", "shr", "sh", "shoe"),
        ("transaction", "transact", "tran", "train"),
        ("salespeople", "salesperson", "slsprsn", "salt"),
        ("point", "points", "pts", "paint"),
        ("agent", "agnt", "agt", "ague"),
    ],
)
def test_short_forms_count_by_what_is_left_of_a_word(asked: str, most: str, less: str, least: str) -> None:
    found = [words.word_similarity(words.stem(asked), words.stem(each)) for each in (most, less, least)]
    assert found == sorted(found, reverse=True)
    assert found[1] > found[2] == 0
    assert found[0] > 0.7


@pytest.mark.parametrize(
    ("word", "parts"),
    [
        ("keeperid", ("keeper", "id")),
        ("unitprice", ("unit", "price")),
        ("feeddt", ("feed", "date")),
        ("mileage", ("mileage",)),
        ("void", ("void",)),
        ("average", ("average",)),
    ],
)
def test_words_written_as_one_are_split_where_both_are_known(word: str, parts: tuple[str, ...]) -> None:
    assert words.split_compound(word, {"keeper"}) == parts


@pytest.mark.parametrize(
    ("names", "prefix"),
    [
        (("zk_keeper", "zk_cage", "zk_feed"), "zk_"),
        (("zkkeeper", "zkcage", "zkfeed"), "zk"),
        (("appuser", "apporder", "appitem"), "app"),
        (("order", "order_item", "order_note"), ""),
        (("store", "staff", "street"), ""),
        (("course", "college", "contact"), ""),
        (("zk_cage", "zk_feed"), ""),
        ((), ""),
        (("zk_cage", "zk_feed", "log_zk"), ""),
    ],
)
def test_what_all_names_share_is_a_prefix(names: tuple[str, ...], prefix: str) -> None:
    assert name_prefixes.shared_prefix(names) == prefix
