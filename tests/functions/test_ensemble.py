"""llm_ensemble: several trained classifiers answer together, and say how far they disagree."""

from __future__ import annotations

import psycopg
import pytest
from database import value
from psycopg import errors

ROWS = """VALUES ('Where is my parcel?', 'delivery'), ('The courier never came.', 'delivery'),
    ('It was to arrive on Monday.', 'delivery'), ('Please refund the fee.', 'payment'),
    ('You charged me twice.', 'payment'), ('My card was declined.', 'payment')"""
OTHERS = """VALUES ('My package is late.', 'delivery'), ('The box was left in the rain.', 'delivery'),
    ('Sent to the wrong address.', 'delivery'), ('The invoice is wrong.', 'payment'),
    ('I want my money back.', 'payment'), ('The voucher was not taken off.', 'payment')"""


@pytest.fixture
def trained(db: psycopg.Connection) -> psycopg.Connection:
    for name, rows in (("first", ROWS), ("second", OTHERS), ("third", ROWS.replace("payment", "money"))):
        db.execute("SELECT llm_fit(%s, 'classify', %s)", (name, rows))
    return db


def test_models_answer_together(trained: psycopg.Connection) -> None:
    texts = ["The courier lost my parcel.", None, " ", "Refund my card."]
    rows = trained.execute("SELECT * FROM llm_ensemble_batch(%s, '{first,second}')", (texts,)).fetchall()
    assert [row[:2] for row in rows] == [(1, "delivery"), (2, None), (3, None), (4, "payment")]
    assert all(0.5 < row[2] <= 1 and 0 <= row[3] <= 1 for row in (rows[0], rows[3]))
    assert rows[1][2:] == rows[2][2:] == (None, None)
    one = trained.execute("SELECT * FROM llm_ensemble(%s, '{first,second}')", (texts[0],)).fetchone()
    assert one == rows[0][1:]
    single = [value(trained, "SELECT score FROM llm_classify_scored(%s, model => %s)", texts[0], name)
              for name in ("first", "second")]  # fmt: skip
    assert one[1] == pytest.approx(sum(single) / 2, abs=1e-4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("llm_ensemble('a', NULL)", "models must not be NULL"),
        ("llm_ensemble('a', '{first}')", "2 to 9 models, and 1 are given"),
        ("llm_ensemble('a', '{first,first}')", "2 to 9 models, and 1 are given"),
        ("llm_ensemble('The card', '{first,third}')", "other labels: money, payment"),
        ("llm_ensemble('a', '{first,all-minilm-l6-v2}')", "has no labels of its own"),
    ],
)
def test_what_is_no_ensemble_is_refused(trained: psycopg.Connection, call: str, message: str) -> None:
    with pytest.raises(errors.InvalidParameterValue, match=message):
        trained.execute(f"SELECT * FROM {call}")
    with pytest.raises(errors.UndefinedObject, match='"nobody" is not registered'):
        trained.execute("SELECT * FROM llm_ensemble('a', '{first,nobody}')")
