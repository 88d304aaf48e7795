"""Temporal expressions."""

from __future__ import annotations

import datetime

import pytest
from pg_llm.ask.linking import times

TODAY = datetime.date(2026, 11, 30)


@pytest.mark.parametrize(
    ("question", "begin", "end"),
    [
        ("in 2025", "2025-01-01", "2026-01-01"),
        ("in March 2025", "2025-03-01", "2025-04-01"),
        ("on 2025-03-05", "2025-03-05", "2025-03-06"),
        ("on March 5, 2025", "2025-03-05", "2025-03-06"),
        ("on 5th of March 2025", "2025-03-05", "2025-03-06"),
        ("in 2025-03", "2025-03-01", "2025-04-01"),
        ("in Q2 2025", "2025-04-01", "2025-07-01"),
        ("in the second half of 2025", "2025-07-01", "2026-01-01"),
        ("in the third quarter of 2025", "2025-07-01", "2025-10-01"),
        ("between March 2023 and May 2023", "2023-03-01", "2023-06-01"),
        ("between July and September 2022", "2022-07-01", "2022-10-01"),
        ("from March 27 to April 3, 2023", "2023-03-27", "2023-04-04"),
        ("between August 2021 and the end of January 2022", "2021-08-01", "2022-02-01"),
        ("since 2024", "2024-01-01", None),
        ("from 2018 onwards", "2018-01-01", None),
        ("since the start of 2020", "2020-01-01", None),
        ("2020 or later", "2020-01-01", None),
        ("after 2024", "2025-01-01", None),
        ("before 2024", None, "2024-01-01"),
        ("until 2024", None, "2025-01-01"),
        ("today", "2026-11-30", "2026-12-01"),
        ("yesterday", "2026-11-29", "2026-11-30"),
        ("this week", "2026-11-30", "2026-12-07"),
        ("last month", "2026-10-01", "2026-11-01"),
        ("last quarter", "2026-07-01", "2026-10-01"),
        ("this year", "2026-01-01", "2027-01-01"),
        ("in the last 30 days", "2026-10-31", "2026-12-01"),
        ("in the past three months", "2026-08-30", "2026-12-01"),
        ("2025年", "2025-01-01", "2026-01-01"),
        ("2025年3月", "2025-03-01", "2025-04-01"),
        ("2025年3月5日", "2025-03-05", "2025-03-06"),
        ("2025年第一季度", "2025-01-01", "2025-04-01"),
        ("2025年下半年", "2025-07-01", "2026-01-01"),
        ("去年", "2025-01-01", "2026-01-01"),
        ("上个月", "2026-10-01", "2026-11-01"),
        ("本季度", "2026-10-01", "2027-01-01"),
        ("昨天", "2026-11-29", "2026-11-30"),
        ("最近30天", "2026-10-31", "2026-12-01"),
        ("2024年之后", "2025-01-01", None),
    ],
)
def test_a_time_is_a_half_open_period(question: str, begin: str | None, end: str | None) -> None:
    (period,) = times.find_periods(question, TODAY)
    found = tuple(day.isoformat() if day else None for day in (period.begin, period.end))
    assert found == (begin, end)


@pytest.mark.parametrize("question", ["", "in 2025-13-45", "room 20251", "on February 30, 2025", "May I?", "5 of 6"])
def test_what_is_no_time_is_none(question: str) -> None:
    assert times.find_periods(question, TODAY) == []
