from __future__ import annotations

import xml.etree.ElementTree as ET

import psycopg
import pytest
from database import value
from psycopg import errors

MOODS = """
    CREATE TABLE review (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body text, mood text);
    INSERT INTO review (body, mood) VALUES
        ('I love this film, a wonderful story.', 'good'), ('A great joy from start to end.', 'good'),
        ('Superb acting and a moving script.', 'good'), ('Brilliant and funny.', 'good'),
        ('A terrible, boring film.', 'bad'), ('I hated every minute of it.', 'bad'),
        ('Awful acting and a stupid script.', 'bad'), ('Dull and far too long.', 'bad');
    SELECT llm_fit('mood', 'classify', 'SELECT body, mood FROM review');
"""
TEXT = "The actors are fine, but the script is dull and awful."


@pytest.fixture
def moods(db: psycopg.Connection) -> psycopg.Connection:
    """A database with a head that tells good reviews from bad ones."""
    db.execute(MOODS)
    return db


def effects(db: psycopg.Connection, *given: object) -> dict[str | None, float]:
    rows = db.execute(f"SELECT token, attribution FROM llm_explain({', '.join(['%s'] * len(given))})", given)
    return dict(rows.fetchall())


@pytest.mark.parametrize("engine", ["shared", "backend"])
def test_a_heads_logit_is_shared_out_exactly(moods: psycopg.Connection, engine: str) -> None:
    moods.execute(f"SET llm.engine = '{engine}'")
    rows = moods.execute("SELECT * FROM llm_explain(%s, 'mood')", (TEXT,)).fetchall()
    assert {row[-1] for row in rows} == {"linear"}
    assert [row[0] for row in rows[:3]] == ["The", "actors", "are"]
    assert all(TEXT[start - 1 : end - 1] == token for token, start, end, *_ in rows[:-1])
    ordered = sorted(rows[:-1], key=lambda row: -row[3])
    assert {row[0] for row in ordered[:2]} == {"dull", "awful"}
    # Of two labels one logit is the other's contrary: what speaks for one speaks against the other.
    for label, sign in (("bad", 1), ("good", -1)):
        assert effects(moods, TEXT, "mood", label)["dull"] == pytest.approx(sign * effects(moods, TEXT, "mood")["dull"])
    total = sum(row[3] for row in rows)
    probability = value(moods, "SELECT (llm_tag_scores(%s, model => 'mood') ->> 'bad')::float8", TEXT)
    # Two logits of equal size: the probability is the logistic function of twice their sum, but for the biases.
    assert (probability > 0.5) == (total > 0)


def test_the_words_that_a_passage_matches_a_query_by(db: psycopg.Connection) -> None:
    passage = "To reset your password open the settings. The office is closed on Sundays."
    query = "how do I change my password?"
    found = effects(db, passage, "all-minilm-l6-v2", query)
    assert max((token for token in found if token), key=found.__getitem__) == "password"
    similarity = value(db, "SELECT llm_similarity(%s, %s, 'all-minilm-l6-v2')", passage, query)
    assert sum(attribution for attribution in _values(db, passage, query)) == pytest.approx(similarity, abs=0.02)


def _values(db: psycopg.Connection, passage: str, query: str) -> list[float]:
    rows = db.execute("SELECT attribution FROM llm_explain(%s, 'all-minilm-l6-v2', %s)", (passage, query))
    return [row[0] for row in rows.fetchall()]


def test_labels_in_words_are_explained_by_occlusion(db: psycopg.Connection) -> None:
    rows = db.execute(
        "SELECT * FROM llm_explain('My parcel came two weeks late.', labels => '{delivery of a parcel,an invoice}')"
    ).fetchall()
    assert {row[-1] for row in rows} == {"occlusion"}
    assert max(rows[:-1], key=lambda row: row[3])[0] == "parcel"


def test_a_language_model_is_explained_by_what_it_answers_without_each_word(db: psycopg.Connection) -> None:
    call = "SELECT * FROM llm_explain('late parcel', 'smollm2-135m-instruct', labels => '{delivery,payment}')"
    rows = db.execute(call).fetchall()
    assert [(row[0], row[4]) for row in rows] == [("late", "occlusion"), ("parcel", "occlusion"), (None, "occlusion")]
    score = value(
        db, "SELECT score FROM llm_classify_scored('late parcel', '{delivery,payment}', 'smollm2-135m-instruct')"
    )
    assert abs(sum(row[3] for row in rows)) <= score


def test_the_words_without_which_the_label_turns(moods: psycopg.Connection) -> None:
    rows = moods.execute("SELECT * FROM llm_counterfactual(%s, 'mood')", (TEXT,)).fetchall()
    assert {row[0] for row in rows} <= {"dull", "awful", "but", "script"}
    assert {row[3:5] for row in rows} == {("bad", "good")}
    assert value(moods, "SELECT llm_classify(%s, model => 'mood')", rows[0][5]) == "good"
    assert moods.execute("SELECT * FROM llm_counterfactual(NULL, 'mood')").fetchall() == []


@pytest.mark.torch
def test_integrated_gradients_of_the_whole_network(moods: psycopg.Connection) -> None:
    query = "SELECT token, attribution, method FROM llm_explain(%s, 'mood', 'bad', method => 'integrated_gradients')"
    rows = moods.execute(query, (TEXT,)).fetchall()
    assert {row[-1] for row in rows} == {"integrated_gradients"}
    assert {row[0] for row in sorted(rows[:-1], key=lambda row: -row[1])[:2]} == {"dull", "awful"}


def test_a_drawing_is_xml_whatever_the_text(moods: psycopg.Connection) -> None:
    hostile = '<b onload="x">dull</b> & awful ]]> \u202e'
    drawn = value(moods, "SELECT llm_explain_svg(%s, 'mood', title => %s)", hostile, hostile)
    shown = "".join(each.text or "" for each in ET.fromstring(drawn).iter() if each.tag.endswith("text"))
    assert "onload" in shown
    assert not any(each.tag.endswith("}b") for each in ET.fromstring(drawn).iter())
    assert value(moods, "SELECT llm_explain_svg(NULL, 'mood')") is None
    assert ET.fromstring(value(moods, "SELECT llm_explain_svg('', 'mood')")) is not None


def test_what_cannot_be_explained_is_an_error(moods: psycopg.Connection) -> None:
    assert moods.execute("SELECT * FROM llm_explain(NULL, 'mood')").fetchall() == []
    assert moods.execute("SELECT * FROM llm_explain(' ', 'mood')").fetchall() == []
    for call, message in (
        ("llm_explain('a', 'mood', 'ugly')", 'no label "ugly"'),
        ("llm_explain('a', 'all-minilm-l6-v2')", "nothing to compare with"),
        ("llm_explain('a', 'mood', method => 'x')", "invalid method"),
        ("llm_explain('a', labels => '{b,c}', method => 'linear')", "cannot be explained by linear"),
        ("llm_explain_svg('a', 'mood', width => 1)", "width must lie between"),
    ):
        with pytest.raises(errors.DatabaseError, match=message):
            moods.execute(f"SELECT {call}")


def test_a_long_text_has_a_row_for_each_word(moods: psycopg.Connection) -> None:
    text = "The script is dull. " * 500
    query = "SELECT count(*), sum(attribution) FROM llm_explain(%s, 'mood', 'bad')"
    count, total = moods.execute(query, (text,)).fetchone()
    assert count == 2_501
    assert total > 0


def test_the_words_around_an_entity_that_it_rests_on(db: psycopg.Connection) -> None:
    text = "Yesterday Washington flew home, and Ada Lovelace lives in Washington."
    model = "en-core-web-sm"
    rows = db.execute("SELECT * FROM llm_explain(%s, %s, 'Ada Lovelace')", (text, model)).fetchall()
    assert {row[-1] for row in rows} == {"occlusion"}
    # The entity's own words are left where they are.
    assert not {"Ada", "Lovelace"} & {row[0] for row in rows}
    assert all(text[start - 1 : end - 1] == token for token, start, end, *_ in rows[:-1])
    score = value(db, "SELECT score FROM llm_entities(%s, model => %s) WHERE entity = 'Ada Lovelace'", text, model)
    assert sum(row[3] for row in rows) == pytest.approx(score, abs=0.001)
    # Without a target it is about the surest one; where there is none, nothing is told.
    assert db.execute("SELECT count(*) FROM llm_explain(%s, %s)", (text, model)).fetchone() != (0,)
    assert db.execute("SELECT * FROM llm_explain('nothing of note', %s)", (model,)).fetchall() == []
    assert db.execute("SELECT * FROM llm_explain(NULL, %s, 'Ada')", (model,)).fetchall() == []
    for given, message in (("'Grace Hopper'", "finds no entity"), ("'Ada Lovelace', method => 'linear'", "cannot be")):
        with pytest.raises(errors.DatabaseError, match=message):
            db.execute(f"SELECT * FROM llm_explain(%s, %s, {given})", (text, model))
