from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest
from database import value
from psycopg import errors

KITCHEN = ["cooking", "plumbing", "sport"]


@pytest.mark.parametrize("engine", ["shared", "backend"])
def test_the_label_that_fits(db: psycopg.Connection, engine: str) -> None:
    db.execute(f"SET llm.engine = '{engine}'")
    texts = ["knead the dough and let it rise", "the drain is blocked", "they scored in the last minute"]
    assert [value(db, "SELECT llm_classify(%s, %s)", text, KITCHEN) for text in texts] == KITCHEN
    rows = db.execute("SELECT ordinality, label FROM llm_classify_batch(%s, %s)", ([*texts, None], KITCHEN)).fetchall()
    assert rows == [*zip(range(1, 4), KITCHEN, strict=True), (4, None)]


def test_tags_are_the_scores_over_the_threshold(db: psycopg.Connection) -> None:
    text = "the drain of the kitchen sink is blocked"
    scores = value(db, "SELECT llm_tag_scores(%s, %s)", text, KITCHEN)
    assert set(scores) == set(KITCHEN)
    assert all(0 <= score <= 1 for score in scores.values())
    for threshold in (0, 0.05, 0.5, 1):
        expected = sorted((label for label in scores if scores[label] >= threshold), key=lambda label: -scores[label])
        assert value(db, "SELECT llm_tag(%s, %s, threshold => %s)", text, KITCHEN, threshold) == expected
    batch = db.execute("SELECT * FROM llm_tag_batch(%s, %s, threshold => 0)", ([text, None], KITCHEN)).fetchall()
    assert batch == [(1, sorted(scores, key=lambda label: -scores[label])), (2, None)]
    assert db.execute("SELECT * FROM llm_tag_scores_batch(%s, %s)", ([None, text], KITCHEN)).fetchall() == [
        (1, None),
        (2, scores),
    ]


def test_scores_are_right_as_often_as_they_say(db: psycopg.Connection) -> None:
    """Expected calibration error on PostgreSQL's settings by group, whose longest name is the label."""
    labels = ["Autovacuum", "Write-Ahead Log", "Query Tuning", "Client Connection Defaults"]
    query = "SELECT short_desc, split_part(category, ' / ', 1) FROM pg_settings WHERE extra_desc IS NULL ORDER BY name"
    rows = [row for row in db.execute(query).fetchall() if row[1] in labels]
    assert len(rows) > 80
    scored = db.execute("SELECT scores FROM llm_tag_scores_batch(%s, %s)", ([text for text, _ in rows], labels))
    pairs = [
        (score, label == group)
        for (_, group), (scores,) in zip(rows, scored.fetchall(), strict=True)
        for label, score in scores.items()
    ]
    bins = [[pair for pair in pairs if int(min(pair[0], 0.99) * 10) == each] for each in range(10)]
    error = sum(abs(sum(score - fits for score, fits in each)) for each in bins) / len(pairs)
    assert error <= 0.08


def test_a_description_says_what_a_label_means(db: psycopg.Connection) -> None:
    labels = ["A: it is about football and other sport", "B: it is about pipes, taps and drains"]
    assert value(db, "SELECT llm_classify('the drain is blocked', %s)", labels) == "B"
    assert set(value(db, "SELECT llm_tag_scores('x', %s)", labels)) == {"A", "B"}


def test_examples_move_the_answer(db: psycopg.Connection) -> None:
    call = "SELECT llm_classify('the zorgs have landed', '{left,right}', examples => %s)"
    for label in ("left", "right"):
        other = "left" if label == "right" else "right"
        examples = [{"text": "zorgs landed here", "label": label}, {"text": "tea with milk", "labels": [other]}]
        assert value(db, call, json.dumps(examples)) == label


@pytest.mark.parametrize(
    "labels",
    [
        ["only"],
        ["a", "a", " a "],
        [f"label {number}" for number in range(500)],
        ["it's", 'say "x"', "two\nlines", "back\\slash", "{braces}", "%s", "标签", "🧪"],
    ],
)
def test_label_lists_of_every_shape(db: psycopg.Connection, labels: list[str]) -> None:
    names = list(dict.fromkeys(label.strip() for label in labels))
    assert set(value(db, "SELECT llm_tag_scores('some text', %s)", labels)) == set(names)
    assert value(db, "SELECT llm_classify('some text', %s)", labels) in names
    assert value(db, "SELECT llm_tag('some text', %s, threshold => 1)", labels) == []


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ([], "must not be empty"),
        (["a", None], "must not hold NULL"),
        (["a", ""], "not a label"),
        (["a", "  : what"], "not a label"),
        (["x" * 1001], "not a label"),
        ([["a"], ["b"]], "one dimension"),
        (["a: one thing", "a: another"], "two descriptions"),
        (None, "no labels of its own"),
    ],
)
@pytest.mark.parametrize("function", ["llm_classify", "llm_tag", "llm_tag_scores"])
def test_lists_that_are_none(db: psycopg.Connection, function: str, labels: Any, says: str) -> None:
    with pytest.raises(errors.InvalidParameterValue, match=says) as caught:
        db.execute(f"SELECT {function}('text', %s::text[])", (labels,))
    assert caught.value.diag.message_hint


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("threshold => 1.5", "between 0 and 1"),
        ("threshold => 'NaN'", "between 0 and 1"),
        ("votes => 0", "votes"),
        ("votes => NULL", "votes"),
        ("votes => 10", "votes"),
        ("examples => '{}'", "JSON list"),
        ("examples => '[1]'", "JSON list"),
        ("""examples => '[{"text": "x"}]'""", "text and label"),
        ("""examples => '[{"text": 1, "label": "a"}]'""", "text and label"),
        ("""examples => '[{"text": "x", "label": "c"}]'""", "not among labels"),
        ("""examples => '[{"text": "x", "label": "a", "more": 1}]'""", "text and label"),
    ],
)
def test_arguments_that_are_none(db: psycopg.Connection, arguments: str, says: str) -> None:
    with pytest.raises(errors.InvalidParameterValue, match=says) as caught:
        db.execute(f"SELECT llm_tag('text', '{{a,b}}', {arguments})")
    assert caught.value.diag.message_hint


def test_models_that_are_none(db: psycopg.Connection) -> None:
    with pytest.raises(errors.UndefinedObject, match='"nobody"'):
        db.execute("SELECT llm_classify('x', '{a,b}', model => 'nobody')")
    with pytest.raises(errors.InvalidParameterValue, match="does entities") as caught:
        db.execute("SELECT llm_classify('x', '{a,b}', model => 'en-core-web-sm')")
    assert "llm_models" in caught.value.diag.message_hint


@pytest.mark.parametrize("text", ["...", "x" * 5000, "标签 🧪 שלום", "word " * 20_000])
def test_texts_of_every_kind_have_an_answer(db: psycopg.Connection, text: str) -> None:
    assert value(db, "SELECT llm_classify(%s, '{a,b}')", text) in ("a", "b")


@pytest.mark.parametrize("text", ["", " ", "\x01\x1b\u200b", "\t\n\u3000", " " * 1_000_000])
@pytest.mark.parametrize("model", [None, "smollm2-135m-instruct"])
def test_a_blank_text_has_no_label(db: psycopg.Connection, text: str, model: str | None) -> None:
    assert value(db, "SELECT llm_classify(%s, '{delivery,payment}', %s)", text, model) is None
    assert value(db, "SELECT llm_tag(%s, '{delivery,payment}', %s, threshold => 0)", text, model) == []
    assert value(db, "SELECT llm_tag_scores(%s, '{delivery,payment}', %s)", text, model) == {}
    assert value(db, "SELECT count(*) FROM llm_tag_votes(%s, '{delivery,payment}', ARRAY[%s])", text, model) == 0
    row = db.execute("SELECT * FROM llm_classify_scored(%s, '{delivery,payment}', %s)", (text, model)).fetchone()
    assert row == (None, None, None)


def test_null_has_no_label(db: psycopg.Connection) -> None:
    assert value(db, "SELECT llm_classify(NULL, '{a,b}')") is None
    assert value(db, "SELECT llm_tag(NULL, '{a,b}')") is None
    assert value(db, "SELECT llm_tag_scores(NULL, '{a,b}')") is None


def test_all_of_a_long_text_counts(db: psycopg.Connection) -> None:
    # The first 256 tokens, which is what the model reads at once, speak of something else.
    text = "Knead the dough. " * 80 + "The drain of the sink is blocked, and the tap drips. " * 400
    assert value(db, "SELECT llm_classify(%s, %s)", text, KITCHEN) == "plumbing"
    assert value(db, "SELECT llm_classify(%s, %s)", text[:600], KITCHEN) == "cooking"


def test_votes_need_a_majority(db: psycopg.Connection) -> None:
    text = "the drain of the kitchen sink is blocked"
    rows = db.execute(
        "SELECT label, votes, voters, agreement, score FROM llm_tag_votes(%s, %s, threshold => 0.3)", (text, KITCHEN)
    ).fetchall()
    assert {row[0] for row in rows} == set(KITCHEN)
    for _, votes, voters, agreement, score in rows:
        assert voters == 3
        assert agreement == pytest.approx(max(votes, voters - votes) / voters)
        assert 0 <= score <= 1
    elected = [row[0] for row in rows if row[1] >= 2]
    assert value(db, "SELECT llm_tag(%s, %s, threshold => 0.3, votes => 3)", text, KITCHEN) == elected
    models = ["all-minilm-l6-v2"] * 2
    assert (
        value(db, "SELECT min(voters) FROM llm_tag_votes(%s, %s, models => %s, votes => 1)", text, KITCHEN, models) == 2
    )
    assert db.execute("SELECT * FROM llm_tag_votes(NULL, '{a}')").fetchall() == []


@pytest.mark.parametrize("engine", ["shared", "backend"])
def test_a_score_and_its_lead(db: psycopg.Connection, engine: str) -> None:
    db.execute(f"SET llm.engine = '{engine}'")
    texts = ["the drain of the kitchen sink is blocked", None, "knead the dough"]
    rows = db.execute("SELECT * FROM llm_classify_scored_batch(%s, %s)", (texts, KITCHEN)).fetchall()
    assert [row[:2] for row in rows] == [(1, "plumbing"), (2, None), (3, "cooking")]
    assert rows[1][2:] == (None, None)
    assert all(0 < margin <= score <= 1 for _, label, score, margin in rows if label)
    scored = "SELECT label, score, margin FROM unnest(%s::text[]) AS t, LATERAL llm_classify_scored(t, %s)"
    assert db.execute(scored, (texts, KITCHEN)).fetchall() == [row[1:] for row in rows]


@pytest.mark.parametrize("engine", ["shared", "backend"])
def test_no_label_where_none_fits(db: psycopg.Connection, engine: str) -> None:
    db.execute(f"SET llm.engine = '{engine}'")
    call = "SELECT llm_classify(%s, %s, allow_none => true)"
    assert value(db, call, "the drain of the kitchen sink is blocked", KITCHEN) == "plumbing"
    other = "The central bank raised interest rates by a quarter of a percentage point."
    assert value(db, call, other, KITCHEN) is None
    assert value(db, call.replace("true", "false"), other, KITCHEN) in KITCHEN
    rows = db.execute(
        "SELECT label FROM llm_classify_batch(%s, %s, allow_none => true)", ([other, None, "knead the dough"], KITCHEN)
    ).fetchall()
    assert rows == [(None,), (None,), ("cooking",)]
    label, score, margin = db.execute(
        "SELECT label, score, margin FROM llm_classify_scored(%s, %s, allow_none => true)", (other, KITCHEN)
    ).fetchall()[0]
    assert label is None
    assert 0.5 <= score <= 1
    assert 0 < margin <= score


def test_only_a_language_model_reads_an_instruction(db: psycopg.Connection) -> None:
    with pytest.raises(errors.InvalidParameterValue, match="only a language model reads an instruction") as caught:
        db.execute("SELECT llm_classify('x', '{a,b}', instruction => 'Mind the tone.')")
    assert "describe the labels" in str(caught.value.diag.message_hint)
    with pytest.raises(errors.InvalidParameterValue, match="allow_none must not be NULL"):
        db.execute("SELECT llm_classify('x', '{a,b}', allow_none => NULL)")
    # A blank one is none.
    assert value(db, "SELECT llm_classify('x', '{a,b}', instruction => ' ')") in ("a", "b")


@pytest.mark.slow
def test_a_causal_model_answers_by_likelihood(db: psycopg.Connection) -> None:
    call = "SELECT llm_tag_scores(%s, %s, model => 'smollm2-135m-instruct')"
    labels = ["sport: football and the like", "a drain that is blocked", "cooking"]
    names = {"sport", "a drain that is blocked", "cooking"}
    scores = value(db, call, "the striker scored in the last minute", labels)
    assert set(scores) == names
    assert all(0 < score < 1 for score in scores.values())
    classify = "SELECT llm_classify(%s, %s, model => 'smollm2-135m-instruct', examples => %s)"
    examples = json.dumps([{"text": "the keeper saved a penalty", "label": "sport"}])
    assert value(db, classify, "the striker scored in the last minute", labels, examples) in names
    # Many labels, one of one token and one of many, and a text longer than is read.
    many = [f"label number {number} of some length" for number in range(70)]
    assert value(db, classify, "x", many, None) in many
    assert value(db, classify, "word " * 5000, ["a", "b"], None) in ("a", "b")
    assert value(db, classify, "x", ["only"], None) == "only"
    allow = classify.replace(")", ", allow_none => true, instruction => 'Sport is any game.')")
    assert value(db, allow, "the striker scored", labels, None) in {*names, None}
