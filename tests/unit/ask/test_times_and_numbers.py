from __future__ import annotations

import pytest
from pg_llm.ask.grammar import (
    dates,
    numbers,
    tokenizer,
)


@pytest.mark.parametrize(
    ("said", "kind", "time"),
    [
        ("from March 27 to March 31, 2023", "period", "2023-03-27/2023-03-31"),
        ("March 27-31, 2023", "period", "2023-03-27/2023-03-31"),
        ("27 to 31 March 2023", "period", "2023-03-27/2023-03-31"),
        ("between 2021-08 and the end of January 2022", "period", "2021-08/2022-01-31"),
        ("from December to February 2021", "period", "2020-12/2021-02"),
        ("2019-2021", "year", "2019/2021"),
        ("since the start of 2020", "date", "2020-01-01"),
        ("by the end of February 2024", "date", "2024-02-29"),
        ("the 5th of May 2020", "date", "2020-05-05"),
        ("2020/5/5", "date", "2020-05-05"),
        ("the first half of 2023", "period", "2023-01-01/2023-06-30"),
        ("Q3 2023", "period", "2023-07-01/2023-09-30"),
        ("the last 10 days of May 2020", "period", "2020-05-22/2020-05-31"),
        ("the 30 days before April 1, 2023", "period", "2023-03-02/2023-03-31"),
        ("the 6 months after 2023-03-31", "period", "2023-04-01/2023-09-30"),
        ("in the 1990s", "year", "1990/1999"),
        ("in May", "month", "5"),
        ("2023年上半年", "period", "2023-01-01/2023-06-30"),
        ("2023年第二季度", "period", "2023-04-01/2023-06-30"),
        ("2023年3月5日", "date", "2023-03-05"),
        ("从2021年3月至2021年5月", "period", "2021-03/2021-05"),
        ("5月", "month", "5"),
    ],
)
def test_times_are_found_as_they_are_said(said: str, kind: str, time: str) -> None:
    (found,) = [mention for mention, _ in dates.time_mentions(tokenizer.tokenize(said))]
    assert (found.kind, found.normalized) == (kind, time)


@pytest.mark.parametrize("said", ["may I see", "from 5 to 10 people", "the second week", "the start of it"])
def test_other_words_are_no_times(said: str) -> None:
    assert list(dates.time_mentions(tokenizer.tokenize(said))) == []


@pytest.mark.parametrize(
    ("said", "number"),
    [
        ("25k", 25e3),
        ("15 thousand", 15e3),
        ("$2bn", 2e9),
        ("5 m", 5),
        ("1,200.50", 1200.5),
        ("five thousand", 5000),
        ("two hundred fifty", 250),
        ("two dozen", 24),
        ("三千五百", 3500),
        ("100万元", 1e6),
        ("5千克", 5),
        ("十二", 12),
    ],
)
def test_numbers_are_read_as_they_are_said(said: str, number: float) -> None:
    (found,) = [mention for mention, _ in numbers.number_mentions(tokenizer.tokenize(said))]
    assert found.number == number
